//! The verifier that browsers run, `make browser`: the built module, which reaches nothing, takes and refuses as the library
//! does.
#![allow(clippy::unwrap_used)]

use cairnlog_tests::paths;
use serde_json::Value;
use wasmtime::{Engine, Instance, Memory, Module, Store, TypedFunc};

const KEY: &str = "transparency.example/logs/hr+8a5d87ff+ARdFU7RW3d/GkI7KscEB/mqyHiuqBhd5W31DpjSCmT/V";

/// A file that `make browser` writes.
fn built(name: &str) -> Vec<u8> {
    let path = paths::root().join("target/browser").join(name);
    std::fs::read(&path)
        .unwrap_or_else(|_| panic!("there is no {}; run `make browser` first", path.display()))
}

/// A seed of the fuzz targets, which are documents of fixed logs.
fn seed(path: &str) -> Vec<u8> {
    std::fs::read(paths::root().join("fuzz/seeds").join(path)).unwrap()
}

struct Verifier {
    store: Store<()>,
    memory: Memory,
    room: TypedFunc<u32, u32>,
    check: TypedFunc<(u32, u32, u32, u32), u32>,
    answer: TypedFunc<(), u32>,
}

impl Verifier {
    fn new() -> Self {
        let engine = Engine::default();
        let module = Module::from_binary(&engine, &built("verify.wasm")).unwrap();
        assert_eq!(module.imports().count(), 0, "it could reach something");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Self {
            memory: instance.get_memory(&mut store, "memory").unwrap(),
            room: instance.get_typed_func(&mut store, "room").unwrap(),
            check: instance.get_typed_func(&mut store, "check").unwrap(),
            answer: instance.get_typed_func(&mut store, "answer").unwrap(),
            store,
        }
    }

    /// As the page asks it: the parts one behind the other.
    fn ask(&mut self, parts: [&[u8]; 4]) -> Value {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap();
        let at = self.room.call(&mut self.store, length(&parts.concat())).unwrap();
        self.memory.write(&mut self.store, at as usize, &parts.concat()).unwrap();
        let [document, keys, policy, raw] = parts.map(length);
        let answered = self.check.call(&mut self.store, (document, keys, policy, raw)).unwrap();
        let at = self.answer.call(&mut self.store, ()).unwrap();
        let mut bytes = vec![0; answered as usize];
        self.memory.read(&self.store, at as usize, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn check(&mut self, document: &[u8]) -> Value {
        self.ask([document, KEY.as_bytes(), b"", b""])
    }
}

#[test]
fn the_module_takes_what_holds_and_refuses_what_does_not() {
    let mut verifier = Verifier::new();
    let (mut good, mut bad) = (0, 0);
    for seed in std::fs::read_dir(paths::root().join("fuzz/seeds/disclosures")).unwrap() {
        let seed = seed.unwrap();
        let answer = verifier.check(&std::fs::read(seed.path()).unwrap());
        let (name, taken) = (seed.file_name().into_string().unwrap(), answer["verified"] == true);
        assert_eq!(taken, name.starts_with("good"), "{name}: {answer}");
        assert!(
            taken || answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{name}: {answer}"
        );
        *if taken { &mut good } else { &mut bad } += 1;
    }
    assert!(good > 0 && bad > 0);

    let answer = verifier.check(&seed("disclosures/good-record"));
    assert_eq!((&answer["index"], &answer["source"]), (&"3".into(), &"okta-prod".into()));
    let fields = answer["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["path"] == "message" && field["value"] == "Öffnet 📁\n"));
    let answer = verifier.check(&seed("receipts/good-record"));
    assert_eq!((&answer["what"], &answer["verified"]), (&"receipt".into(), &true.into()));
    assert_eq!(verifier.check(&seed("receipts/bad-index"))["verified"], false);
}

#[test]
fn keys_policy_and_raw_record_are_the_readers() {
    let mut verifier = Verifier::new();
    let document = seed("disclosures/good-record");
    let stranger = b"log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    let refused = verifier.ask([&document, stranger, b"", b""]);
    assert!(refused["reason"].as_str().unwrap().contains("no signature by a trusted key"), "{refused}");
    assert_eq!(verifier.ask([&document, KEY.as_bytes(), b"quorum none\n", b""])["verified"], true);
    let refused = verifier.ask([&document, KEY.as_bytes(), b"", b"other bytes"]);
    assert!(refused["reason"].as_str().unwrap().contains("raw record does not match"), "{refused}");
    for garbage in [&b""[..], b"\0", b"{", &[0xff; 100]] {
        assert_eq!(verifier.check(garbage)["verified"], false);
    }
}

#[test]
fn the_page_holds_the_module_and_may_load_and_send_nothing() {
    use base64::Engine as _;
    let page = String::from_utf8(built("verify.html")).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(built("verify.wasm"));
    assert!(page.contains(&format!("\nconst MODULE = \"{encoded}\";\n")));
    let around = page.replace(&encoded, "");
    assert!(around.contains("content=\"default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval';"));
    for reach in ["://", "src=", "href=", "import(", "innerHTML", "@MODULE@"] {
        assert!(!around.contains(reach), "{reach}");
    }
}
