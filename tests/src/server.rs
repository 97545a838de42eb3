//! A server process of a test's own.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cairnlog_client::{Client, Secret};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::paths;

/// The administrator's token of every test's server.
pub const ADMIN_TOKEN: &str = "the-administrator-of-this-test-0123456789";

/// A running `cairnlog serve` on a free port with a temporary data directory. Dropping it ends the process and fails the
/// test if the server logged a warning or an error that the test did not [`announce`](Server::announce).
pub struct Server {
    process: Option<Process>,
    /// Holds the data directory, which the server itself creates.
    home: TempDir,
    data: PathBuf,
    url: String,
    announced: Vec<String>,
    /// What the next process finds in its environment besides the administrator's token.
    env: Vec<(String, OsString)>,
    /// What earlier processes of this server wrote to stderr.
    earlier: String,
    http: reqwest::Client,
}

struct Process {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    ready: Value,
}

/// How a server that does not start ends.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: Option<i32>,
    /// All of stderr.
    pub stderr: String,
}

/// Starts the bare binary on a data directory, with nothing in its environment, and reads what it says when it is ready.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start_bare(data: &Path) -> (Child, Value) {
    let mut child = Command::new(paths::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary is there");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it was piped")).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("the ready line"))
}

impl Server {
    /// Starts a server on a new data directory.
    #[must_use]
    pub fn start() -> Self {
        let mut server = Self::idle();
        server.restart();
        server
    }

    /// A server that is not started yet; its data directory does not exist.
    #[must_use]
    pub fn idle() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = home.path().join("data");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (announced, env, earlier) = (Vec::new(), Vec::new(), String::new());
        Self { process: None, home, data, url: String::new(), announced, env, earlier, http }
    }

    /// Replaces what the next process finds in its environment besides the administrator's token.
    pub fn set_env(&mut self, env: Vec<(String, OsString)>) {
        self.env = env;
    }

    /// Its address, such as `http://127.0.0.1:41234`; another one after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The line that it printed when it was ready.
    #[must_use]
    pub fn ready_line(&self) -> &Value {
        &self.process.as_ref().expect("the server runs").ready
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A place beside the data directory, for what is moved out of it.
    #[must_use]
    pub fn aside(&self) -> PathBuf {
        self.home.path().join("aside")
    }

    /// A client with the administrator's token.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_of(ADMIN_TOKEN)
    }

    /// A client with that token.
    #[must_use]
    pub fn client_of(&self, token: &str) -> Client {
        Client::new(&self.url, Some(&Secret::new(token))).expect("the server's own address")
    }

    /// A raw request with the administrator's token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(ADMIN_TOKEN)
    }

    /// A raw request without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A raw GET with the administrator's token.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A raw POST of JSON with the administrator's token.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Says that the server may log warnings and errors with these words.
    pub fn announce(&mut self, words: &str) {
        self.announced.push(words.to_owned());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        process.child.kill().expect("a process of our own");
        self.earlier += &process.end().1;
    }

    /// SIGTERM; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.end()
    }

    /// Sends SIGTERM and does not wait.
    pub fn terminate(&self) {
        let process = self.process.as_ref().expect("the server runs");
        let signal = format!("kill -TERM {}", process.child.id());
        let sent = Command::new("sh").args(["-c", &signal]).status().expect("a shell");
        assert!(sent.success());
    }

    /// Waits for its end; the exit code.
    pub fn end(&mut self) -> Option<i32> {
        let (code, stderr) = self.process.take().expect("the server runs").end();
        self.earlier += &stderr;
        code
    }

    /// Starts it again on its data directory, after [`kill`](Server::kill) or [`stop`](Server::stop).
    pub fn restart(&mut self) {
        self.try_restart().unwrap_or_else(|refusal| panic!("no start: {refusal:?}"));
    }

    /// Starts it again, if it does start.
    ///
    /// # Errors
    /// How it ended instead, killed or by itself.
    pub fn try_restart(&mut self) -> Result<(), Refusal> {
        assert!(self.process.is_none(), "the server still runs");
        let process = Process::start(&self.data, &self.env)?;
        self.url = process.url();
        self.process = Some(process);
        Ok(())
    }

    /// Starts another server on the same data directory, which must refuse.
    #[must_use]
    pub fn refused_start(&self) -> Refusal {
        match Process::start(&self.data, &[]) {
            Err(refusal) => refusal,
            Ok(mut process) => {
                process.child.kill().expect("a process of our own");
                panic!("it started: {}", process.end().1);
            }
        }
    }

    /// Everything that it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let mut all = self.earlier.clone();
        if let Some(process) = &self.process {
            all += &process.stderr.lock().expect("the reader does not panic");
        }
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the server's stderr ---\n{}", self.earlier);
            return;
        }
        let complaint = |line: &&str| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word));
        let expected = |line: &str| self.announced.iter().any(|words| line.contains(words));
        let complaints = self.earlier.lines().filter(complaint).filter(|line| !expected(line));
        let unexpected = complaints.fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        });
        assert!(unexpected.is_empty(), "the server complained:\n{unexpected}");
    }
}

impl Process {
    fn start(data: &Path, env: &[(String, OsString)]) -> Result<Self, Refusal> {
        let mut child = Command::new(paths::binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env_clear()
            .env("CAIRNLOG_ADMIN_TOKEN", ADMIN_TOKEN)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut pipe = BufReader::new(child.stderr.take().expect("piped"));
        let stderr = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&stderr);
        let reader = std::thread::spawn(move || {
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                written.lock().expect("readers do not panic").push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout is UTF-8");
        let ready = serde_json::from_str(&line).unwrap_or_default();
        let process = Self { child, stderr, reader, ready };
        if line.is_empty() {
            let (code, stderr) = process.end();
            return Err(Refusal { code, stderr });
        }
        // Whatever else it writes there fails the reader of the ready line.
        std::thread::spawn(move || {
            let mut more = String::new();
            let _ = stdout.read_to_string(&mut more);
            assert!(more.is_empty(), "more than the ready line on stdout: {more}");
        });
        Ok(process)
    }

    fn url(&self) -> String {
        let url = self.ready["url"].as_str();
        url.unwrap_or_else(|| panic!("the first line is no ready line: {}", self.ready)).to_owned()
    }

    /// Waits for its end: the exit code and stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("a child of our own");
        self.reader.join().expect("the reader does not panic");
        let stderr = self.stderr.lock().expect("the reader is gone").clone();
        (status.code(), stderr)
    }
}
