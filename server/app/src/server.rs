//! A running server: everything opened in order, the HTTP face in front, and a shutdown that loses nothing.
//!
//! `serve` and `demo` both run this; it writes nothing to stdout and reads no environment.

mod doors;
mod patience;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum_server::Handle;
use cairnlog_client::Secret;
use cairnlog_host::limits::CompileLimits;
use cairnlog_host::{Apart, Artefacts, Compiling, Host, HostError, HostLimits};
use cairnlog_ledger::handles::{OsRandom, Random as _, SystemClock};
use cairnlog_ledger::limits::PERMITS_PER_CORE;
use cairnlog_ledger::{Config, Ledger, LedgerError, Who};
use cairnlog_store::datadir::{DataDir, DataDirError};
use cairnlog_store::durable;
use cairnlog_store::kept::KeptHeads;
use cairnlog_store::rocks::{OpenError, RocksEngine};
use cairnlog_store::secrets::{KekSources, SecretsError};
use cairnlog_store::{Engine, ReadError};
use cairnlog_tlog::SharedWriter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::access::{Grant, Role, TokenError, Tokens};
use crate::auditor::{self, Findings};
use crate::background::Background;
use crate::backup::Backups;
use crate::chores::Chores;
use crate::cli::COMPILE_COMMAND;
use crate::config::Settings;
use crate::cosigning::Cosigning;
use crate::http;
use crate::http::cursor::Cursors;
use crate::limits::{
    BODIES_BYTES_MAX, CONNECTIONS_MAX, DRAIN_WAIT_MAX, HEADER_WAIT_MAX, LISTEN_QUEUE, METRICS_UPKEEP,
    STORE_CHECK, STREAMS_MAX, WRITE_WAIT_MAX,
};
use crate::recording::Recording;
use crate::state::App;
use crate::sweeper::{self, Sweeper};
use doors::Doors;
use patience::Patience;

/// Upper bounds, in seconds, of the buckets that request times are counted in.
const SECONDS_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Why a server did not start, or stopped. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The address is taken, or not this machine's.
    #[error("can't listen on {0}: {1}; choose another address with --listen")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A write to the store failed while it was served.
    #[error(
        "{0:?}: a write to the store has failed, and only reading it back tells what became of it: check the disk, then start again"
    )]
    Disk(PathBuf),
    /// The keys that wrap keyrings can't be had.
    #[error(transparent)]
    Keys(#[from] SecretsError),
    /// The witness policy can't be used.
    #[error("{0}")]
    Witnesses(String),
    /// The directory of the kept heads can't be made.
    #[error("{0:?}: {1}; check the directory that --heads names")]
    Heads(PathBuf, std::io::Error),
    /// The archive can't be written.
    #[error("{0:?}: {1}; archive_to names a directory that the server can write")]
    Archive(PathBuf, std::io::Error),
    /// The folder of compiled plugins can't be used.
    #[error("{0:?}: {1}; compiled plugins are kept there")]
    Artefacts(PathBuf, std::io::Error),
    /// Says which directory it is, for there may be several on the machine.
    #[error("{0}: {1}")]
    Store(PathBuf, OpenError),
    #[error("the store can't be claimed: {0}")]
    Claim(#[from] ReadError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0:?}: the server's own log can't be opened: {1}")]
    Control(PathBuf, LedgerError),
    #[error("the tokens can't be loaded: {0}")]
    Tokens(#[from] TokenError),
    #[error("the API's description can't be written: {0}")]
    Document(#[from] serde_json::Error),
    #[error("metrics can't be collected: {0}")]
    Metrics(String),
    /// Opening, or serving, panicked or was cancelled.
    #[error("the server stopped: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("the server stopped accepting connections: {0}")]
    Accept(std::io::Error),
}

/// A server that takes requests.
pub(crate) struct Server {
    url: String,
    data: PathBuf,
    is_new: bool,
    first_token: Option<Zeroizing<String>>,
    app: Arc<App>,
    handle: Handle<SocketAddr>,
    serving: JoinHandle<std::io::Result<()>>,
    upkeep: JoinHandle<()>,
    auditor: Background,
    sweeping: Background,
    chores: Chores,
}

impl Server {
    /// Opens the data directory, creating it if it is new, and serves it. It takes requests when this returns.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing was signed or served then.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, ServerError> {
        let listen = settings.listen;
        let listener = listen_on(listen).map_err(|error| ServerError::Listen(listen, error))?;
        let address = listener.local_addr().map_err(|error| ServerError::Listen(listen, error))?;
        let public_host = settings.public_host.clone().unwrap_or_else(|| address.to_string());
        let Opened { app, routes, first_token, is_new } = open(settings, public_host).await?;
        let face = http::router(routes, Arc::clone(&app));
        let (handle, serving) =
            begin(listener, face, CONNECTIONS_MAX).map_err(|error| ServerError::Listen(listen, error))?;
        let upkeep = tokio::spawn(upkeep(app.metrics.clone()));
        let auditor = Background::start(auditor::run(Arc::clone(&app)));
        let sweeping = Background::start(sweeper::run(Arc::clone(&app)));
        let chores = Chores::start(Arc::clone(&app));
        let (url, data) = (format!("http://{address}"), settings.data.clone());
        Ok(Self { url, data, is_new, first_token, app, handle, serving, upkeep, auditor, sweeping, chores })
    }

    /// The address, as a client is given it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether its data directory was made when it started.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What is printed once the server takes requests: one line of JSON. The first administrator's token stands in the
    /// first one of a new directory, and nowhere else.
    pub(crate) fn ready_line(&mut self) -> String {
        let mut ready = serde_json::json!({
            "ready": true,
            "url": self.url,
            "data": self.data.to_string_lossy(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(token) = self.first_token.take() {
            ready["admin_token"] = token.as_str().into();
        }
        ready.to_string()
    }

    /// Serves until `stop` resolves or a write to the store has failed, then shuts down.
    ///
    /// # Errors
    /// If the store failed, serving ended by itself, or went wrong on the way down.
    pub(crate) async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        tokio::select! {
            ended = &mut self.serving => {
                self.auditor.stop().await;
                self.sweeping.stop().await;
                self.chores.stop().await;
                self.app.ledger.shutdown().await;
                ended?.map_err(ServerError::Accept)
            }
            () = store_failed(&self.app) => {
                tracing::error!("a write to the store has failed: the server ends");
                let data = self.data.clone();
                self.shutdown().await?;
                Err(ServerError::Disk(data))
            }
            () = stop => self.shutdown().await,
        }
    }

    /// Takes no new requests, lets those under way finish within their bound, and commits what waits.
    async fn shutdown(self) -> Result<(), ServerError> {
        self.app.draining.send_replace(true);
        self.handle.graceful_shutdown(Some(DRAIN_WAIT_MAX));
        let served = self.serving.await;
        self.auditor.stop().await;
        self.sweeping.stop().await;
        self.chores.stop().await;
        self.app.ledger.shutdown().await;
        self.upkeep.abort();
        served?.map_err(ServerError::Accept)
    }
}

type Serving = JoinHandle<std::io::Result<()>>;

/// Listens with a queue as long as the kernel allows: one that overflows resets who comes in a burst.
fn listen_on(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_QUEUE)?.into_std()
}

/// Serves `face` to so many connections at once.
fn begin(
    listener: std::net::TcpListener,
    face: axum::Router,
    places: usize,
) -> std::io::Result<(Handle<SocketAddr>, Serving)> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle.clone())
        .acceptor(Patience(WRITE_WAIT_MAX))
        .http1_only();
    server.http_builder().http1().header_read_timeout(HEADER_WAIT_MAX);
    Ok((handle, tokio::spawn(server.serve(Doors::new(face, places)))))
}

/// Serves `face` on `listen` until `stop` resolves, and lets the requests under way finish within their bound. `ready` is
/// told the address.
///
/// # Errors
/// If the address can't be had, or serving ended by itself.
pub(crate) async fn serve_until(
    listen: SocketAddr,
    face: axum::Router,
    places: usize,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(&str),
) -> Result<(), ServerError> {
    let refused = |error| ServerError::Listen(listen, error);
    let listener = listen_on(listen).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let (handle, mut serving) = begin(listener, face, places).map_err(refused)?;
    ready(&format!("http://{address}"));
    tokio::select! {
        ended = &mut serving => ended?.map_err(ServerError::Accept),
        () = stop => {
            handle.graceful_shutdown(Some(DRAIN_WAIT_MAX));
            serving.await?.map_err(ServerError::Accept)
        }
    }
}

struct Opened {
    app: Arc<App>,
    routes: axum::Router<Arc<App>>,
    first_token: Option<Zeroizing<String>>,
    is_new: bool,
}

async fn open(settings: &Settings, public_host: String) -> Result<Opened, ServerError> {
    let metrics = recorder()?;
    // Before anything is made on disk.
    let policy = settings.witness_policy.as_deref();
    let cosigning = policy.map(Cosigning::read).transpose().map_err(ServerError::Witnesses)?;
    let (dir, keks, heads, engine, host) = open_files(settings).await?;
    let is_new = dir.is_new();
    let writer = SharedWriter::from(engine.claim().await?);
    let clock = Arc::new(SystemClock::default());
    let places = settings.backups.clone();
    let backups = Backups::new(Arc::clone(&engine), Arc::clone(&dir), places, settings.keyring_backup_days);
    let ledger = Ledger::open(Config {
        dir,
        keks,
        heads: heads.clone(),
        witnesses: Arc::new(move |origin| cosigning.as_ref()?.of(origin)),
        engine: Arc::clone(&engine),
        writer,
        host,
        clock: clock.clone(),
        random: Arc::new(OsRandom),
        public_host,
        workers: cores(),
        record_bytes_max: settings.ingest.record_bytes,
        plugin_keys: settings.plugin_keys.clone(),
        keyring_backup_days: settings.keyring_backup_days,
        archive: settings.archive.clone(),
    })
    .await?;
    let ledger = Arc::new(ledger);
    ledger.open_control().await.map_err(|error| ServerError::Control(settings.data.clone(), error))?;
    let recording = Recording::new(Arc::clone(&ledger), clock.clone());
    let tokens = Tokens::open(engine.as_ref(), settings.admin_token.as_ref().map(Secret::expose)).await?;
    let first_token = first_token(&tokens, &recording, settings).await?;
    let (routes, document) = http::split();
    let openapi = document.to_json()?.into();
    let mut key = [0; 32];
    OsRandom.fill(&mut key);
    let app = App {
        ledger,
        recording,
        tokens,
        cursors: Cursors::new(key),
        clock,
        metrics,
        openapi,
        ingest: settings.ingest,
        bodies: Arc::new(Semaphore::new(BODIES_BYTES_MAX)),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        heads,
        backups,
        findings: Findings::default(),
        sweeper: Sweeper::default(),
        two_person: settings.two_person,
        draining: watch::Sender::new(false),
    };
    Ok(Opened { app: Arc::new(app), routes, first_token, is_new })
}

type Files = (Arc<DataDir>, KekSources, KeptHeads, Arc<dyn Engine>, Host);

/// What blocks: the disk, and the plugin host's reservation of address space.
async fn open_files(settings: &Settings) -> Result<Files, ServerError> {
    let data = settings.data.clone();
    let heads = settings.heads.clone().unwrap_or_else(|| data.join("heads"));
    let (keks, archive) = (settings.keks.clone(), settings.archive.clone());
    let opening = tokio::task::spawn_blocking(move || {
        if let Some(archive) = archive {
            archive.probe().map_err(|error| ServerError::Archive(archive.dir.clone(), error))?;
        }
        let keks = keks.open()?;
        let dir = DataDir::open(&data)?;
        let heads = KeptHeads::open(&heads).map_err(|error| ServerError::Heads(heads, error))?;
        let db = dir.db();
        let engine = RocksEngine::open(&db).map_err(|error| ServerError::Store(db, error))?;
        let host = Host::compiling(host_limits(), compiling(dir.root())?)?;
        Ok::<_, ServerError>((Arc::new(dir), keks, heads, Arc::new(engine) as Arc<dyn Engine>, host))
    });
    opening.await?
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// As many instances as there are permits to work, so that nobody who has one waits for an instance.
fn host_limits() -> HostLimits {
    let limits = HostLimits::default();
    let permits = u32::try_from(cores() * PERMITS_PER_CORE).unwrap_or(u32::MAX);
    HostLimits { instances: limits.instances.max(permits), ..limits }
}

/// Plugins are compiled by a child of this program, and their machine code is kept beside the data.
fn compiling(root: &Path) -> Result<Compiling, ServerError> {
    let dir = root.join("artefacts");
    let failed = |error| ServerError::Artefacts(dir.clone(), error);
    durable::create_dir(&dir).map_err(failed)?;
    let path = dir.join("key");
    let known = std::fs::read(&path).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    let key = if let Some(key) = known {
        key
    } else {
        let mut key = [0; 32];
        OsRandom.fill(&mut key);
        durable::write(&path, &key).map_err(failed)?;
        key
    };
    // Under this name it is the very program that runs, whatever took the place of its file.
    let program = PathBuf::from("/proc/self/exe");
    let program = if program.exists() { program } else { std::env::current_exe().map_err(failed)? };
    let arguments = vec![COMPILE_COMMAND.into()];
    Ok(Compiling::Apart(Apart {
        program,
        arguments,
        limits: CompileLimits::default(),
        kept: Some(Artefacts::new(dir.clone(), key)),
    }))
}

/// A server that knows no token would let nobody in, so it makes one that can make others.
async fn first_token(
    tokens: &Tokens,
    recording: &Recording,
    settings: &Settings,
) -> Result<Option<Zeroizing<String>>, TokenError> {
    if settings.admin_token.is_some() || !tokens.is_empty() {
        return Ok(None);
    }
    let grant = Grant {
        id: String::new(),
        name: "first administrator".to_owned(),
        roles: [Role::Admin].into(),
        log: None,
        sources: None,
        expires: None,
    };
    let by = Who::server();
    let write = async |grant: &Grant, key, row| recording.token(&by, grant, key, row).await;
    Ok(Some(tokens.create(grant, write).await?.1))
}

/// The process's recorder of metrics: there can be but one, whatever number of servers runs in it.
fn recorder() -> Result<PrometheusHandle, ServerError> {
    static RECORDER: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let install = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| error.to_string())
    };
    RECORDER.get_or_init(install).clone().map_err(ServerError::Metrics)
}

/// Returns when a write to the store has failed. What its sync left undone no second sync can be trusted with: the next
/// start reads back what there is.
async fn store_failed(app: &App) {
    let mut ticks = tokio::time::interval(STORE_CHECK);
    while !app.ledger.store_failed() {
        ticks.tick().await;
    }
}

/// Folds what was recorded into the buckets, so that it does not pile up where nobody asks for metrics.
async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(METRICS_UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}
