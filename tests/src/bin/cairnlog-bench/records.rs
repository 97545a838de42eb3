//! The pipeline of records, with the plugins and pipelines of `examples/`: latency of one record a request, and the rate
//! of the whole pipeline.

use cairnlog_tests::{paths, pipelines};

use crate::samples::Samples;
use crate::server::{self, Server};
use crate::{Result, Scale, latency, report, throughput};

pub(crate) async fn measure(scale: &Scale) -> Result<String> {
    let samples = Samples::load()?;
    println!("{} CloudTrail records from {}", samples.len(), samples.origin());
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(paths::root().join("target"))?;
    let data = dir.path().join("data");
    let mut server = Server::start(&data)?;
    pipelines::examples(&server.client()?, server::LOG).await;

    println!("latency: {} requests of each kind, one connection", scale.requests);
    let latency = latency::measure(&server, dir.path(), &samples, scale.requests).await?;

    let before = server.disk()?;
    println!("throughput: {} x {} records, {}", scale.runs, scale.records, throughput::SHAPE);
    let mut runs = Vec::with_capacity(scale.runs);
    for number in 0..scale.runs {
        let run = throughput::run(&server, &samples, number, scale.records).await?;
        println!("  run {}: {:.0} records/s", number + 1, run.rate());
        runs.push(run);
    }
    // Starting anew empties the write-ahead log into tables: what lies there then is what the records cost for good.
    server.stop()?;
    let mut server = Server::start(&data)?;
    let disk = server.disk()?.saturating_sub(before);
    server.stop()?;
    Ok(report::records(&samples, &latency, &throughput::Throughput { runs, disk }))
}
