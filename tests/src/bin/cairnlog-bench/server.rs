//! The server under measurement, and what the system says of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cairnlog_client::{Client, Secret};
use cairnlog_tests::paths;
use reqwest::Method;
use serde_json::Value;

use crate::Result;

/// The log that all records go to.
pub(crate) const LOG: &str = "bench";

pub(crate) const ADMIN_TOKEN: &str = "the-administrator-of-this-bench-0123456789";

/// Clock ticks of `/proc/…/stat` in a second, on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    url: String,
    data: PathBuf,
    http: reqwest::Client,
    /// Held open: a server whose stdout is closed could fail to write there.
    _stdout: BufReader<ChildStdout>,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Server {
    /// Starts the binary that lies beside this program on that data directory.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("cairnlog");
        let mut child = Command::new(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env_clear()
            .env("CAIRNLOG_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("CAIRNLOG_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}; build the whole workspace first", binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("the server has no stdout")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).map_err(|_| "the server did not start")?;
        let url = ready["url"].as_str().ok_or("the ready line has no url")?.to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self { child, url, data: data.to_owned(), http, _stdout: stdout })
    }

    /// A typed client with every role.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.url, Some(&Secret::new(ADMIN_TOKEN)))?)
    }

    /// A raw request; requests one after the other share one connection.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(ADMIN_TOKEN)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.url.strip_prefix("http://").ok_or("the url is not http")?.parse()?)
    }

    /// Creates a log that takes bytes as they come.
    pub(crate) async fn create_opaque(&self, name: &str) -> Result<()> {
        let wanted = serde_json::json!({"name": name, "mode": "opaque"});
        let answer = self.request(Method::POST, "/api/v1/logs").json(&wanted).send().await?;
        let status = answer.status();
        if status != reqwest::StatusCode::CREATED {
            return Err(format!("no log {name}: {status}: {}", answer.text().await?).into());
        }
        Ok(())
    }

    /// Commits to the store since the server started, each with one fsync at the most.
    pub(crate) async fn syncs(&self) -> Result<u64> {
        let text = self.request(Method::GET, "/metrics").send().await?.error_for_status()?.text().await?;
        let count = text.lines().find_map(|line| line.strip_prefix("cairnlog_store_commits_total "));
        Ok(count.ok_or("the server does not count commits")?.trim().parse()?)
    }

    /// Bytes of its data directory.
    pub(crate) fn disk(&self) -> Result<u64> {
        disk(&self.data)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Nanoseconds by ingest stage, since the server started.
    pub(crate) async fn stages(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.request(Method::GET, "/metrics").send().await?.error_for_status()?.text().await?;
        let stage = |line: &str| {
            let (name, value) =
                line.strip_prefix("cairnlog_ingest_stage_nanoseconds_total{stage=\"")?.split_once("\"} ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter_map(stage).collect())
    }

    /// Processor time of the server so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let bytes = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no memory in /proc")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
        };
        Ok(Memory { resident: bytes("VmRSS")?, peak: bytes("VmHWM")? })
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let signal = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &signal]).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Processor time of this program so far.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu("self")
}

fn cpu(process: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the command's name, which may hold anything, fields 14 and 15 are the 12th and 13th.
    let fields = stat.rsplit_once(')').ok_or("no fields in /proc")?.1;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// Bytes of all files below a directory.
pub(crate) fn disk(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in paths::files(dir) {
        bytes += fs::metadata(file)?.len();
    }
    Ok(bytes)
}
