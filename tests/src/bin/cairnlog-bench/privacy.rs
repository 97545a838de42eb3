//! What private payloads cost: reading, disclosing, and a sweep while others write.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cairnlog_client::{ClassSettings, Log, Pipeline, Stage, Trigger};
use cairnlog_tests::{paths, pipelines, web};
use serde_json::json;

use crate::load::{Load, Run, Until, get, post, scattered};
use crate::report::millis;
use crate::server::{ADMIN_TOKEN, LOG, Server};
use crate::stats::float;
use crate::{Result, Scale};

/// The class of what is swept.
const DUE: &str = "due";

/// Connections of those who write meanwhile, and of those who read.
const CONNECTIONS: usize = 4;

/// Lines of a request that fills the log.
const LINES: usize = 500;

/// How long writers are measured at a time while the sweep goes on.
const SLICE: Duration = Duration::from_millis(500);

/// What is disclosed of each record.
const FIELDS: [&str; 2] = ["class_uid", "time"];

/// What was measured.
struct Privacy {
    records: usize,
    fill: f64,
    reads: Run,
    disclosures: Run,
    quiet: Run,
    swept: u64,
    sweep: Duration,
    busy: Run,
}

pub(crate) async fn measure(scale: &Scale) -> Result<String> {
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(paths::root().join("target"))?;
    let mut server = Server::start(&dir.path().join("data"))?;
    furnish(&server).await?;
    let records = scale.swept;
    println!("privacy: {records} records, {CONNECTIONS} connections");
    let address = server.address()?;
    let requests = Until::Answered((records / LINES) as u64);
    let fill =
        lines_to(address, "due", LINES as u64).run(CONNECTIONS, requests).await?.rate() * float(LINES as u64);
    println!("  filled: {fill:.0} records/s");
    let reads = reads(address, records).run(CONNECTIONS, Until::Elapsed(scale.long)).await?;
    println!("  reads: {:.0}/s", reads.rate());
    let disclosures = disclosures(address, records).run(CONNECTIONS, Until::Elapsed(scale.long)).await?;
    println!("  disclosures: {:.0}/s", disclosures.rate());

    let writers = lines_to(address, "web-access", 1);
    writers.run(CONNECTIONS, Until::Elapsed(SLICE)).await?;
    let quiet = writers.run(CONNECTIONS, Until::Elapsed(scale.long)).await?;
    let started = Instant::now();
    let mut sweeping = tokio::spawn(sweep(server.client()?.log(LOG)?));
    let mut busy = Run::default();
    while !sweeping.is_finished() {
        busy = busy.and(writers.run(CONNECTIONS, Until::Elapsed(SLICE)).await?);
    }
    let (swept, ended) = (&mut sweeping).await??;
    let sweep = ended.duration_since(started);
    println!("  swept: {swept} in {:.1} s", sweep.as_secs_f64());
    server.stop()?;
    Ok(Privacy { records, fill, reads, disclosures, quiet, swept, sweep, busy }.table())
}

/// Sweeps until nothing is due; how many went, and when that was done.
async fn sweep(log: Log) -> std::result::Result<(u64, Instant), cairnlog_client::Error> {
    let mut swept = 0;
    loop {
        let sweep = log.sweep().await?;
        swept += sweep.erased;
        if sweep.complete {
            return Ok((swept, Instant::now()));
        }
    }
}

/// A source whose records are due as soon as they come, and one of access logs for those who write meanwhile.
async fn furnish(server: &Server) -> Result<()> {
    let client = server.client()?;
    let log = pipelines::log(&client, LOG).await;
    let settings = ClassSettings {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days: Some(0),
        zone: None,
        basis: "bench".to_owned(),
    };
    log.put_class(DUE, &settings).await?;
    let retention = pipelines::plugin(&client, "retention-schedule").await;
    for (source, class) in [("due", DUE), ("web-access", "default")] {
        let pipeline = Pipeline {
            normalizer: Stage::new(pipelines::plugin(&client, "web-access").await, None),
            redactors: Vec::new(),
            retention: Stage::new(&retention, Some(json!({"rules": [{"class": class}]}))),
        };
        log.put_source(source, &pipeline).await?;
    }
    Ok(())
}

/// Of records all over the log; those before the first are the log's own.
fn reads(address: SocketAddr, records: usize) -> Load {
    Load::new(address, move |number, out| {
        let index = 10 + scattered(number) % (records as u64 - 10);
        let path = format!("/api/v1/logs/{LOG}/records/{index}");
        out.extend(get(address, &path, Some(ADMIN_TOKEN)).as_bytes());
    })
}

fn disclosures(address: SocketAddr, records: usize) -> Load {
    let body = json!({"fields": FIELDS}).to_string();
    Load::new(address, move |number, out| {
        let index = 10 + scattered(number) % (records as u64 - 10);
        let path = format!("/api/v1/logs/{LOG}/records/{index}/disclosures");
        out.extend(post(address, &path, Some(ADMIN_TOKEN), "application/json", body.len()).as_bytes());
        out.extend(body.as_bytes());
    })
}

/// Access log lines, so many a request.
fn lines_to(address: SocketAddr, source: &'static str, lines: u64) -> Load {
    let path = format!("/api/v1/logs/{LOG}/sources/{source}/events");
    Load::new(address, move |number, out| {
        let body = web::lines(number * lines, lines);
        out.extend(post(address, &path, Some(ADMIN_TOKEN), "text/plain", body.len()).as_bytes());
        out.extend(body.as_bytes());
    })
}

impl Privacy {
    fn table(&self) -> String {
        let mut table =
            format!("| {} access log lines, nothing taken away | |\n| --- | --- |\n", self.records);
        let mut row = |name: &str, value: String| {
            let _ = writeln!(table, "| {name} | {value} |");
        };
        let spread = |run: &Run| {
            let spread = run.spread();
            format!("p50 {:.2} ms, p99 {:.2} ms", millis(spread.p50), millis(spread.p99))
        };
        row("logged", format!("{:.0} records/s", self.fill));
        let reads = format!(
            "records read, opened and checked, each said in the control log, {CONNECTIONS} connections"
        );
        row(&reads, format!("{:.0}/s, {}", self.reads.rate(), spread(&self.reads)));
        let disclosures =
            format!("disclosures of {} fields with their receipt, {CONNECTIONS} connections", FIELDS.len());
        row(&disclosures, format!("{:.0}/s, {}", self.disclosures.rate(), spread(&self.disclosures)));
        row("one access log line, durable, before the sweep", spread(&self.quiet));
        row("the same while it goes on", spread(&self.busy));
        let (before, during) = (self.quiet.spread().p99, self.busy.spread().p99);
        row("p99 against before", format!("**{:.1} x**", during.as_secs_f64() / before.as_secs_f64()));
        let rate = float(self.swept) / self.sweep.as_secs_f64();
        row("swept meanwhile", format!("{} records, **{rate:.0}/s**", self.swept));
        table
    }
}
