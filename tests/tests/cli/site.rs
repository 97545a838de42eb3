//! Commands, and a server for them to talk to.

use std::ops::Range;
use std::process::{Command, Stdio};

use cairnlog_tests::{ADMIN_TOKEN, Server, paths, web};
use serde_json::Value;

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Stdout as JSON, of a command that ended well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// That it ended with this code, saying why on stderr in at most two lines, and nothing on stdout.
    pub(crate) fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{} {}", self.stdout, self.stderr);
        assert!(self.stderr.contains(words), "no {words}: {}", self.stderr);
        assert!(self.stderr.lines().count() <= 2, "{}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

pub(crate) fn run(environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(paths::binary());
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(paths::root());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    let coloured = |text: &str| text.contains('\u{1b}');
    assert!(!coloured(&ran.stdout) && !coloured(&ran.stderr), "colours into a pipe: {arguments:?}");
    assert!(!ran.stdout.contains(ADMIN_TOKEN) && !ran.stderr.contains(ADMIN_TOKEN), "{arguments:?}");
    ran
}

/// A server, and commands that talk to its log `hr`.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { server: Server::start(), dir: tempfile::tempdir().unwrap() }
    }

    /// With the log `hr` and its source `portal`, made by commands.
    pub(crate) fn portal() -> Self {
        Self::portal_of(Server::start())
    }

    /// The same on this server.
    pub(crate) fn portal_of(server: Server) -> Self {
        let site = Self { server, dir: tempfile::tempdir().unwrap() };
        site.run(&["log", "create", "hr"]).json();
        site.push(&["web-access", "retention-schedule", "redact-fields"]);
        let config = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
        let retention = format!("retention-schedule={config}");
        site.run(&["source", "set", "portal", "--normalizer", "web-access", "--retention", &retention])
            .json();
        site
    }

    pub(crate) fn push(&self, names: &[&str]) {
        let files: Vec<String> = names.iter().map(|name| format!("target/plugins/{name}.wasm")).collect();
        let mut arguments = vec!["plugin", "push"];
        arguments.extend(files.iter().map(String::as_str));
        assert_eq!(self.run(&arguments).code, Some(0), "run `make plugins` first");
    }

    /// Adds a short entry for each of the numbers to the opaque log `hr`.
    pub(crate) async fn add(&self, numbers: Range<u64>) {
        let entry = |number: u64| [&[0, 8], &number.to_be_bytes()[..]].concat();
        let body: Vec<u8> = numbers.flat_map(entry).collect();
        let request = self.server.request(reqwest::Method::POST, "/api/v1/logs/hr/entries");
        let request = request.header("content-type", "application/octet-stream").body(body);
        assert_eq!(request.send().await.unwrap().status(), 201);
    }

    /// Runs a command against the server, with JSON on stdout.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.environment(), &[arguments, &["--output", "json"]].concat())
    }

    pub(crate) fn environment(&self) -> [(&str, &str); 2] {
        [("CAIRNLOG_SERVER", self.server.url()), ("CAIRNLOG_TOKEN", ADMIN_TOKEN)]
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn ingest(&self, lines: u64) -> Value {
        let file = self.file("access.log", web::lines(0, lines));
        self.run(&["ingest", &file, "--source", "portal"]).json()
    }

    pub(crate) fn key(&self) -> String {
        let list = self.run(&["log", "list"]).json();
        let hr = list.as_array().unwrap().iter().find(|log| log["name"] == "hr").unwrap();
        hr["verifier_key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn receipt(&self, index: u64) -> String {
        let path = self.dir.path().join("receipt");
        let path = path.to_str().unwrap().to_owned();
        let ran = run(&self.environment(), &["prove", &index.to_string(), "-o", &path]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        path
    }
}
