//! `plugin bench`: how fast a plugin is, and what crossing into it costs.

use std::time::{Duration, Instant};

use super::project::Project;
use super::runner::{Runner, Sample};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::rows;

/// How long each batch size is run.
const LONG: Duration = Duration::from_secs(1);

/// Records handed over at once.
const BATCHES: [usize; 3] = [1, 100, 256];

/// Runs the project's samples again and again, in batches of several sizes.
pub(super) fn bench(project: &Project, runner: &Runner) -> Result<Exit, Failure> {
    let mut failing = 0;
    for path in project.samples()? {
        let sample = runner.sample(&path)?;
        let records = sample.len();
        println!("{}, {records} records", path.display());
        let made = runner.alone(&sample)?;
        failing += made.iter().filter(|made| made.json.get("fault").is_some()).count();
        let memory = made.iter().map(|made| made.memory_bytes).max().unwrap_or_default();
        let (mut table, mut rates) = (Vec::new(), Vec::new());
        for batch in BATCHES {
            let (rate, fuel) = rate(runner, &sample.repeated(batch), batch)?;
            let micros = 1_000_000.0 / rate;
            rates.push(micros);
            table.push(vec![
                batch.to_string(),
                format!("{rate:.0}"),
                format!("{micros:.1}"),
                fuel.to_string(),
            ]);
        }
        rows(&mut std::io::stdout(), &["batch", "records/s", "us a record", "fuel a record"], table)?;
        // What a batch of one takes and a record among many does not.
        if let [alone, .., among_many] = rates.as_slice() {
            let crossing = (alone - among_many).max(0.0);
            println!(
                "Crossing costs {crossing:.1} us a batch: a fresh instance, configured, with {memory} bytes of memory."
            );
        }
    }
    if failing > 0 {
        let words = format!(
            "the plugin fails on {failing} records, so these are figures of failures: `cairnlog plugin test` says why"
        );
        return Err(Failure::refused(words));
    }
    Ok(Exit::Good)
}

/// Records a second on one core, and fuel a record.
#[allow(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn rate(runner: &Runner, batch: &Sample, records: usize) -> Result<(f64, u64), Failure> {
    runner.together(batch)?;
    let started = Instant::now();
    let (mut runs, mut fuel) = (0_u64, 0_u64);
    while started.elapsed() < LONG {
        fuel = fuel.saturating_add(runner.together(batch)?.1);
        runs += 1;
    }
    let records = runs * records as u64;
    Ok((records as f64 / started.elapsed().as_secs_f64(), fuel / records.max(1)))
}
