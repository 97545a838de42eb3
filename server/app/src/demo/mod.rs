//! `demo`: the main job from raw lines to checked proofs, on the shipped samples, told to someone who sees it first.
//!
//! It starts a server in this process and then does everything as any user would, over HTTP with
//! [`cairnlog_client`]. [`samples`] finds the files, [`feed`] sets up and sends, [`kept`] shows what became of it,
//! [`proofs`] checks it, and [`narrator`] says it.

mod feed;
mod kept;
mod narrator;
mod proofs;
mod samples;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;

use cairnlog_client::{Client, Log, LogInfo, Secret};
use cairnlog_ledger::limits::KEYRING_BACKUP_DAYS;
use cairnlog_verify::Hash;

use crate::backup::Places;
use crate::cli::{Exit, Failure, log_to_stderr, stop_signal};
use crate::config::{self, IngestLimits, KekSettings, LISTEN_DEFAULT, Settings};
use crate::server::{Server, ServerError};
use narrator::Narrator;
use samples::Samples;

/// The log of the demo.
const LOG: &str = "hr";

/// Stands in the log's origin, which must stay the same wherever the demo listens.
const PUBLIC_HOST: &str = "demo.example.com";

const EXAMPLES: &str = "\
Run it from the repository's root, where examples/ and target/plugins/ are; `make run` builds all it needs first.

Examples:
  cairnlog demo
  cairnlog demo --once --data /tmp/cairnlog-demo";

/// Options of the demo.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The data directory; used again by the next run.
    #[arg(long, default_value = "data/demo", value_name = "DIR")]
    data: PathBuf,
    #[arg(long, value_name = "ADDRESS", help = format!("The address to listen on [default: {LISTEN_DEFAULT}, or a free port if that is taken]"))]
    listen: Option<SocketAddr>,
    /// End after the last step instead of staying up.
    #[arg(long)]
    once: bool,
}

/// What all steps share.
struct Stage<'a> {
    tell: &'a mut Narrator,
    samples: &'a Samples,
    client: Client,
    log: Log,
}

pub(crate) async fn run(args: Args) -> Result<Exit, Failure> {
    let samples = Samples::load()?;
    log_to_stderr(&config::env("CAIRNLOG_LOG").unwrap_or_else(|| "warn".to_owned()))?;
    let from_env = config::admin_token(config::env).map_err(|error| Failure::usage(error.to_string()))?;
    let token = from_env.clone().map_or_else(new_token, Ok)?;
    let mut stop = pin!(stop_signal()?);
    let mut tell = Narrator::new();
    tell.opening()?;
    tell.step("Start a server")?;
    let server = start(&args, &token).await?;
    let said = format!("It keeps everything in {} and answers at {}.", args.data.display(), server.url());
    tell.say(&said)?;
    let told = tokio::select! {
        told = story(&mut tell, &samples, server.url(), &token, from_env.is_some(), !args.once) => told,
        () = &mut stop => Ok(()),
    };
    if told.is_err() || args.once {
        server.run_until(std::future::ready(())).await?;
    } else {
        server.run_until(stop).await?;
    }
    told.map(|()| Exit::Good)
}

async fn start(args: &Args, token: &Secret) -> Result<Server, ServerError> {
    let default: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut settings = Settings {
        data: args.data.clone(),
        heads: None,
        witness_policy: None,
        listen: args.listen.unwrap_or(default),
        public_host: Some(PUBLIC_HOST.to_owned()),
        log: String::new(),
        admin_token: Some(token.clone()),
        ingest: IngestLimits::default(),
        two_person: false,
        keyring_backup_days: KEYRING_BACKUP_DAYS,
        archive: None,
        plugin_keys: Vec::new(),
        backups: Places::default(),
        keks: KekSettings::default(),
    };
    match Server::start(&settings).await {
        Err(ServerError::Listen(..)) if args.listen.is_none() => {
            settings.listen.set_port(0);
            Server::start(&settings).await
        }
        outcome => outcome,
    }
}

/// A token with every role for this run.
fn new_token() -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::cannot_tell(format!("no randomness: {error}")))?;
    Ok(Secret::new(format!("demo-{}", Hash(bytes).to_hex())))
}

async fn story(
    tell: &mut Narrator,
    samples: &Samples,
    url: &str,
    token: &Secret,
    token_known: bool,
    stays: bool,
) -> Result<(), Failure> {
    let client = Client::new(url, Some(token))?;
    let log = client.log(LOG)?;
    let mut stage = Stage { tell, samples, client, log };
    let info = feed::set_up(&mut stage).await?;
    let fed = feed::feed(&mut stage, &info).await?;
    let records = kept::fetch(&stage).await?;
    kept::taken_away(&mut stage, &records, &fed).await?;
    kept::lifetimes(&mut stage, &records)?;
    proofs::tree_head(&mut stage, &fed)?;
    let index = proofs::receipt(&mut stage, &info, &records).await?;
    proofs::consistency(&mut stage, &fed).await?;
    let actor = kept::search(&mut stage, &records).await?;
    let export = if token_known { "$CAIRNLOG_ADMIN_TOKEN" } else { token.expose() };
    closing(stage.tell, url, export, &info, index, &actor, stays)
}

fn closing(
    tell: &mut Narrator,
    url: &str,
    token: &str,
    info: &LogInfo,
    index: u64,
    actor: &str,
    stays: bool,
) -> Result<(), Failure> {
    if !stays {
        tell.end("That was all. Without --once the server stays up, to be tried.")?;
        return Ok(());
    }
    tell.end("Your turn. The server is up; in another terminal:")?;
    let program = std::env::args().next().unwrap_or_else(|| "cairnlog".to_owned());
    let key = &info.verifier_key;
    let commands = [
        format!("export CAIRNLOG_SERVER={url} CAIRNLOG_TOKEN={token}"),
        String::new(),
        "# what anyone may read, without a token".to_owned(),
        format!("curl $CAIRNLOG_SERVER/logs/{LOG}/checkpoint"),
        format!("curl $CAIRNLOG_SERVER/api/v1/logs/{LOG}/entries/{index}/receipt"),
        format!("{program} verify log $CAIRNLOG_SERVER/logs/{LOG} --key '{key}'"),
        String::new(),
        "# what an auditor may read".to_owned(),
        format!(
            "curl -H \"Authorization: Bearer $CAIRNLOG_TOKEN\" $CAIRNLOG_SERVER/api/v1/logs/{LOG}/records/{index}"
        ),
        format!("{program} search --actor {actor}"),
        String::new(),
        "# who has read what: the server's own log".to_owned(),
        format!("{program} search --log control --action records.search --limit 3"),
        String::new(),
        "# send a line of your own".to_owned(),
        format!(
            "curl -H \"Authorization: Bearer $CAIRNLOG_TOKEN\" -H 'Content-Type: text/plain' --data-binary \\\n  \
             '192.0.2.7 - anna [10/Mar/2026:09:00:00 +0100] \"GET /payslips/2026-02 HTTP/1.1\" 200 512' \\\n  \
             $CAIRNLOG_SERVER/api/v1/logs/{LOG}/sources/hr-portal/events"
        ),
        String::new(),
        format!("# all calls: {url}/api/v1/openapi.json    all commands: {program} help"),
    ];
    tell.commands(&commands)?;
    tell.end("Ctrl-C stops it. What was logged stays, and the next run goes on from there.")?;
    Ok(())
}
