//! Plugins signed, required to be, and fetched from a registry.

use std::collections::BTreeMap;

use cairnlog_tests::{Server, guests, paths, web};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::files::FileServer;
use crate::site::{Ran, Site, run};

fn sign(component: &str, key: &str) {
    let signed = run(&[], &["plugin", "sign", component, "--key", key]);
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
}

fn hex_digest(bytes: &[u8]) -> String {
    format!("sha256:{}", cairnlog_tests::hex(&Sha256::digest(bytes)))
}

/// A site with two keys that sign plugins, and a server that takes those of the first alone.
struct Guarded {
    site: Site,
    key: String,
    public: String,
    stranger: String,
}

impl Guarded {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key_of = |name: &str| {
            let file = dir.path().join(name).to_str().unwrap().to_owned();
            let made = run(&[], &["plugin", "keygen", &format!("example.org/{name}"), "--out", &file]);
            assert_eq!(made.code, Some(0), "{}", made.stderr);
            (file, made.stdout.trim().to_owned())
        };
        let ((key, public), (stranger, _)) = (key_of("plugins"), key_of("stranger"));
        let keys = dir.path().join("keys");
        std::fs::write(&keys, format!("# whose plugins we take\n{public}\n")).unwrap();
        let mut server = Server::idle();
        server.set_env(vec![("CAIRNLOG_PLUGIN_KEYS".to_owned(), keys.into())]);
        server.restart();
        Self { site: Site { server, dir }, key, public, stranger }
    }

    /// A copy of a built-in plugin, without a signature.
    fn component(&self, name: &str) -> String {
        self.site.file(&format!("{name}.wasm"), paths::plugin(name))
    }

    fn push(&self, component: &str) -> Ran {
        self.site.run(&["plugin", "push", component])
    }
}

#[test]
fn a_server_with_keys_takes_plugins_alone_that_one_of_them_has_signed() {
    let guarded = Guarded::start();
    let component = guarded.component("web-access");
    let unsigned = guarded.push(&component);
    assert_eq!(unsigned.code, Some(1));
    for words in ["unsigned", "example.org/plugins", "plugin sign"] {
        assert!(unsigned.stderr.contains(words), "no {words}: {}", unsigned.stderr);
    }
    sign(&component, &guarded.stranger);
    let refused = guarded.push(&component);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("bad-signature"), "{}", refused.stderr);
    sign(&component, &guarded.key);
    let taken = guarded.push(&component).json();
    assert_eq!(taken[0]["signed_by"], json!(["example.org/plugins"]));

    // One that lies beside another component is not sent.
    let other = guarded.component("retention-schedule");
    std::fs::copy(format!("{component}.sig"), format!("{other}.sig")).unwrap();
    let mixed = guarded.push(&other);
    assert_eq!(mixed.code, Some(64));
    assert!(mixed.stderr.contains("another component"), "{}", mixed.stderr);
    sign(&other, &guarded.key);
    assert_eq!(guarded.push(&other).code, Some(0));

    // The signature is in the log with the plugin, and can be asked for.
    let site = &guarded.site;
    site.run(&["log", "create", "hr"]).json();
    let config = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
    let retention = format!("retention-schedule={config}");
    site.run(&["source", "set", "portal", "--normalizer", "web-access", "--retention", &retention]).json();
    let signature = std::fs::read_to_string(format!("{component}.sig")).unwrap();
    let said = (0..4).map(|index| site.run(&["show", &index.to_string()]).json()["event"].clone());
    let said: Vec<Value> = said.filter(|event| event["plugin"]["name"] == "web-access").collect();
    assert_eq!(said[0]["plugin"]["signature"], json!(signature));
}

#[test]
fn what_was_taken_unsigned_is_not_bound_once_keys_are_asked_for() {
    let mut guarded = Guarded::start();
    let keys = guarded.site.dir.path().join("keys");
    guarded.site.server.stop();
    guarded.site.server.set_env(Vec::new());
    guarded.site.server.restart();
    let [normalizer, retainer] = ["web-access", "retention-schedule"].map(|name| guarded.component(name));
    for component in [&normalizer, &retainer] {
        assert_eq!(guarded.push(component).code, Some(0));
    }
    let site = &guarded.site;
    site.run(&["log", "create", "hr"]).json();
    let config = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
    let retention = format!("retention-schedule={config}");
    let bind = ["source", "set", "portal", "--normalizer", "web-access", "--retention", &retention];
    site.run(&bind).json();

    guarded.site.server.announce("no trusted key has signed a stored plugin");
    guarded.site.server.stop();
    guarded.site.server.set_env(vec![("CAIRNLOG_PLUGIN_KEYS".to_owned(), keys.into())]);
    guarded.site.server.restart();
    let refused = guarded.site.run(&[&bind[..2], &["second"], &bind[3..]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("unsigned"), "{}", refused.stderr);
    let told = guarded.site.ingest(3);
    assert_eq!(told["accepted"], 3, "what is bound runs on");
    // The same bytes once more, signed: that is all it takes.
    for component in [&normalizer, &retainer] {
        sign(component, &guarded.key);
        let again = guarded.push(component).json();
        assert_eq!(
            (&again[0]["new"], &again[0]["signed_by"]),
            (&json!(false), &json!(["example.org/plugins"]))
        );
    }
    guarded.site.run(&[&bind[..2], &["second"], &bind[3..]].concat()).json();
}

#[test]
fn several_keys_stand_for_one_component() {
    let guarded = Guarded::start();
    let component = guarded.component("web-access");
    sign(&component, &guarded.stranger);
    sign(&component, &guarded.key);
    let signature = std::fs::read_to_string(format!("{component}.sig")).unwrap();
    for name in ["example.org/stranger", "example.org/plugins"] {
        assert!(signature.contains(&format!("\u{2014} {name} ")), "{signature}");
    }
    assert_eq!(guarded.push(&component).json()[0]["signed_by"], json!(["example.org/plugins"]));
    // Other bytes: what others have signed is not they.
    std::fs::write(&component, paths::plugin("redact-fields")).unwrap();
    sign(&component, &guarded.stranger);
    let refused = guarded.push(&component);
    assert_eq!(refused.code, Some(1));
    for name in ["it names example.org/stranger,", "one of example.org/plugins alone"] {
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
    }
    std::fs::write(format!("{component}.sig"), "").unwrap();
    guarded.push(&component).refused(64, "is no signature");
    let text = guarded.site.file("README", "no component");
    run(&[], &["plugin", "sign", &text, "--key", &guarded.key]).refused(64, "is no WebAssembly");
    let keys = guarded.site.dir.path().join("private");
    std::fs::copy(&guarded.key, &keys).unwrap();
    let mut server = Server::idle();
    server.set_env(vec![("CAIRNLOG_PLUGIN_KEYS".to_owned(), keys.into())]);
    assert!(server.try_restart().unwrap_err().stderr.contains("that is a private key"));
}

#[test]
fn a_module_that_wants_a_clock_is_told_that_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let wat = r#"(module (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32))))"#;
    let (core, out) = (dir.path().join("core.wasm"), dir.path().join("out.wasm"));
    std::fs::write(&core, wat::parse_str(wat).unwrap()).unwrap();
    let (core, out) = (core.to_str().unwrap(), out.to_str().unwrap());
    let made = ["plugin", "componentize", core, "-o", out, "--name", "x", "--version", "1"];
    let refused = run(&[], &made);
    refused.refused(1, "wasi_snapshot_preview1::clock_time_get");
    assert!(refused.stderr.contains("no clock but the record's `received`"), "{}", refused.stderr);
    assert!(!std::path::Path::new(out).exists());
}

#[test]
fn a_component_that_only_links_wasi_is_taken_bound_and_replayed() {
    let mut site = Site::portal();
    let file = site.file("clocked.wasm", guests::clocked());
    let refused = site.run(&["plugin", "push", &file]);
    assert_eq!(refused.code, Some(1));
    for words in ["wall-clock", "--stub-wasi"] {
        assert!(refused.stderr.contains(words), "no {words}: {}", refused.stderr);
    }
    site.run(&["plugin", "push", &file, "--stub-wasi"]).json();
    let bind = ["source", "set", "portal", "--normalizer", "web-access", "--retention", "clocked"];
    site.run(&bind).json();
    site.server.kill();
    site.server.restart();
    assert_eq!(site.ingest(1)["accepted"], 1);
    let index = site.run(&["search"]).json()[0]["index"].to_string();
    let raw = site.file("raw.log", web::lines(0, 1));
    let replayed = site.run(&["plugin", "replay", &index, "--raw", &raw]).json();
    assert_eq!(replayed["is_good"], true, "{replayed}");
}

#[test]
fn a_file_of_keys_that_holds_none_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    for (text, words) in [("# none\n", "holds no key"), ("nonsense\n", "plugin_keys")] {
        std::fs::write(&keys, text).unwrap();
        let mut server = Server::idle();
        server.set_env(vec![("CAIRNLOG_PLUGIN_KEYS".to_owned(), keys.clone().into())]);
        let refusal = server.try_restart().unwrap_err();
        assert_eq!(refusal.code, Some(64));
        assert!(refusal.stderr.contains(words), "{}", refusal.stderr);
    }
}

/// A registry with one artifact, `example/web-access:0.1.0`.
fn registry(wasm: &[u8], annotations: &Value, layers: usize) -> FileServer {
    let (digest, config) = (hex_digest(wasm), b"{}".to_vec());
    let layer = json!({"mediaType": "application/wasm", "digest": digest, "size": wasm.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": hex_digest(&config), "size": config.len()},
        "layers": vec![layer; layers],
        "annotations": annotations,
    });
    FileServer::at_root(BTreeMap::from([
        ("v2/".to_owned(), b"{}".to_vec()),
        ("v2/example/web-access/manifests/0.1.0".to_owned(), manifest.to_string().into_bytes()),
        (format!("v2/example/web-access/blobs/{digest}"), wasm.to_vec()),
    ]))
}

#[test]
fn a_component_is_fetched_from_a_registry_with_its_signature() {
    let guarded = Guarded::start();
    let wasm = paths::plugin("web-access");
    let component = guarded.component("web-access");
    sign(&component, &guarded.key);
    let signature = std::fs::read_to_string(format!("{component}.sig")).unwrap();
    let out = guarded.site.dir.path().join("pulled.wasm").to_str().unwrap().to_owned();
    let pull = |registry: &FileServer, more: &[&str]| {
        let reference = format!("{}/example/web-access:0.1.0", registry.url().trim_start_matches("http://"));
        run(&[], &[&["plugin", "pull", &reference, "--plain-http", "--out", &out], more].concat())
    };

    // A shell takes the last line end from what it substitutes.
    let signed = registry(&wasm, &json!({"cairnlog.plugin.signature": signature.trim_end()}), 1);
    let pulled = pull(&signed, &["--key", &guarded.public]);
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    assert!(pulled.stdout.contains(&hex_digest(&wasm)), "{}", pulled.stdout);
    assert_eq!(std::fs::read(&out).unwrap(), wasm);
    assert_eq!(std::fs::read_to_string(format!("{out}.sig")).unwrap(), signature);
    assert_eq!(guarded.push(&out).json()[0]["signed_by"], json!(["example.org/plugins"]));

    // What is not signed brings no signature, and takes the old one with it.
    let unsigned = registry(&wasm, &json!({}), 1);
    let refused = pull(&unsigned, &["--key", &guarded.public]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("not signed"), "{}", refused.stderr);
    assert_eq!(pull(&unsigned, &[]).code, Some(0));
    assert!(!std::path::Path::new(&format!("{out}.sig")).exists());

    run(&[], &["plugin", "pull", "door-log"]).refused(64, "names no registry");
    let stranger =
        run(&[], &["plugin", "keygen", "example.org/other", "--out", &format!("{out}.key")]).stdout;
    assert_eq!(pull(&signed, &["--key", stranger.trim()]).code, Some(1));
    let two = pull(&registry(&wasm, &json!({}), 2), &[]);
    assert_eq!(two.code, Some(3));
    assert!(two.stderr.contains("several components"), "{}", two.stderr);
    assert_eq!(pull(&registry(&wasm, &json!({}), 0), &[]).code, Some(3));
}

#[test]
fn a_registry_that_sends_other_bytes_than_it_says_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = paths::plugin("web-access");
    let (digest, other) = (hex_digest(&wasm), paths::plugin("redact-fields"));
    let layer = json!({"mediaType": "application/wasm", "digest": digest, "size": wasm.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": hex_digest(b"{}"), "size": 2},
        "layers": [layer],
    });
    let registry = FileServer::at_root(BTreeMap::from([
        ("v2/".to_owned(), b"{}".to_vec()),
        ("v2/example/x/manifests/1".to_owned(), manifest.to_string().into_bytes()),
        (format!("v2/example/x/blobs/{digest}"), other),
    ]));
    let reference = format!("{}/example/x:1", registry.url().trim_start_matches("http://"));
    let out = dir.path().join("x.wasm");
    let pulled = run(&[], &["plugin", "pull", &reference, "--plain-http", "--out", out.to_str().unwrap()]);
    assert_ne!(pulled.code, Some(0), "{}", pulled.stdout);
    assert!(!out.exists());
}
