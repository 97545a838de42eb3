//! A server, those who write to it, and everything that it promised them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cairnlog_client::{Log, Mode, NewLog};
use cairnlog_tests::{Refusal, Server, pipelines};
use tokio::task::JoinSet;

use crate::inject::{Fault, Report};
use crate::monitor::{Alarm, Monitor};
use crate::pen::Pen;
use crate::verifier::Hash;

/// The log's name.
pub(crate) const LOG: &str = "web";
pub(crate) const SOURCE: &str = "portal";
const WRITERS: u64 = 4;

/// What the writers were told since it was last checked.
#[derive(Default)]
struct Said {
    entries: Mutex<BTreeMap<u64, Hash>>,
    notes: Mutex<Vec<Vec<u8>>>,
    answers: AtomicU64,
}

/// A server with one log, and its monitor.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) monitor: Monitor,
    said: Arc<Said>,
    /// All that was ever acknowledged and found again.
    kept: BTreeMap<u64, Hash>,
    pub(crate) report: PathBuf,
    mode: Mode,
    /// What every process of the server finds in its environment.
    env: Vec<(String, OsString)>,
}

impl World {
    /// A running server with an empty log.
    pub(crate) async fn start() -> Self {
        Self::with(Mode::Records, Vec::new()).await
    }

    /// The same, of mode opaque.
    pub(crate) async fn opaque() -> Self {
        Self::with(Mode::Opaque, Vec::new()).await
    }

    /// The same, whose newest head is kept in `heads`, outside the data directory.
    pub(crate) async fn with_heads_in(heads: &Path) -> Self {
        Self::with(Mode::Opaque, vec![("CAIRNLOG_HEADS".to_owned(), heads.into())]).await
    }

    async fn with(mode: Mode, env: Vec<(String, OsString)>) -> Self {
        let mut server = Server::idle();
        // What it logs about a fault is its own affair here; that it says so is tested where it matters.
        server.announce("");
        server.set_env(env.clone());
        server.restart();
        let new = NewLog { mode: Some(mode), ..NewLog::new(LOG) };
        let info = server.client().create_log(&new).await.expect("a new log");
        if mode == Mode::Records {
            let log = server.client().log(LOG).expect("a name");
            pipelines::plain(&server.client(), &log, SOURCE, "web-access").await;
        }
        let monitor = Monitor::new(LOG, &info.verifier_key);
        let report = server.aside().with_extension("report");
        Self { server, monitor, said: Arc::default(), kept: BTreeMap::new(), report, mode, env }
    }

    pub(crate) fn log(&self) -> Log {
        self.server.client().log(LOG).expect("a name")
    }

    /// How many requests were answered so far.
    pub(crate) fn answers(&self) -> u64 {
        self.said.answers.load(Ordering::Relaxed)
    }

    /// Starts the server such that it meets the fault.
    pub(crate) fn start_with(&mut self, fault: Fault) -> Result<(), Refusal> {
        let faulty = fault.env(self.server.data(), &self.report);
        self.server.set_env([self.env.clone(), faulty].concat());
        let started = self.server.try_restart();
        self.server.set_env(self.env.clone());
        started
    }

    pub(crate) fn report(&self) -> Report {
        Report::read(&self.report)
    }

    /// Lets several writers write until that many more requests were answered or each of them has met an error.
    pub(crate) async fn write(&self, answers: u64) {
        self.writers(self.answers() + answers).join_all().await;
    }

    /// As [`World::write`], and kills the server when they have so many answers, while they go on.
    pub(crate) async fn write_and_kill(&mut self, answers: u64) {
        let writers = self.writers_with(answers).await;
        self.server.kill();
        writers.join_all().await;
    }

    /// As [`World::write_and_kill`] with SIGTERM, and returns when the server answers no writer any more.
    pub(crate) async fn write_and_terminate(&mut self, answers: u64) {
        let writers = self.writers_with(answers).await;
        self.server.terminate();
        writers.join_all().await;
    }

    /// Writers that go on until they meet an error and have so many answers by now, if they get that far.
    async fn writers_with(&self, answers: u64) -> JoinSet<()> {
        let enough = self.answers() + answers;
        let mut writers = self.writers(u64::MAX);
        while self.answers() < enough && !writers.is_empty() {
            while writers.try_join_next().is_some() {}
            tokio::task::yield_now().await;
        }
        writers
    }

    fn writers(&self, enough: u64) -> JoinSet<()> {
        let writer = |writer| write(self.pen(), Arc::clone(&self.said), 1 + writer * 7, enough);
        (0..WRITERS).map(writer).collect()
    }

    fn pen(&self) -> Pen {
        Pen::new(&self.server, self.log(), self.mode)
    }

    /// One request; whether it was acknowledged.
    pub(crate) async fn write_once(&self) -> bool {
        send(&self.pen(), &self.said, 3).await
    }

    /// What the server says of itself to Prometheus.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.server.get("/metrics").send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// Everything that was ever promised holds now.
    pub(crate) async fn check(&mut self) -> Result<u64, Alarm> {
        let notes = std::mem::take(&mut *self.said.notes.lock().unwrap_or_else(PoisonError::into_inner));
        for note in notes {
            let head = self.monitor.open(&note);
            self.monitor.saw(&head)?;
        }
        let size = self.monitor.observe(&self.server).await?;
        let mut entries = self.said.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, leaf) in entries.iter() {
            assert_eq!(self.monitor.leaf(*index), Some(*leaf), "entry {index} was acknowledged");
        }
        self.kept.append(&mut entries);
        Ok(size)
    }

    /// As [`World::check`], and reads everything that the log ever held.
    pub(crate) async fn check_all(&mut self) {
        self.check().await.unwrap_or_else(|alarm| panic!("{alarm:?}"));
        self.monitor.audit(&self.server).await.unwrap_or_else(|alarm| panic!("{alarm:?}"));
        let log = self.log();
        let some = self.kept.keys().rev().step_by(29).take(20);
        for index in some.filter(|_| self.mode == Mode::Records) {
            match log.record(*index).await {
                Ok(record) => assert_eq!(record.kind, "record"),
                Err(error) => assert_eq!(error.slug(), Some("erased"), "entry {index}: {error}"),
            }
        }
    }
}

async fn write(pen: Pen, said: Arc<Said>, lines: u64, enough: u64) {
    while said.answers.load(Ordering::Relaxed) < enough && send(&pen, &said, lines).await {}
}

/// Sends lines, and notes what it is told and the head after it.
async fn send(pen: &Pen, said: &Said, lines: u64) -> bool {
    let Some(rows) = pen.write(lines).await else { return false };
    said.entries.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
    said.answers.fetch_add(1, Ordering::Relaxed);
    if let Ok(note) = pen.log().tiles().checkpoint().await {
        said.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note.into_bytes());
    }
    true
}
