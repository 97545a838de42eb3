//! Measures the built server on this machine and writes the tables of `docs/performance.md`.
//!
//! A run has four parts, each with a server of its own on a fresh data directory: opaque logs ([`opaque`]), beside a server
//! that does nothing and, where it is there, Tessera's POSIX log; and the pipeline of records ([`records`]), beside one
//! fdatasync and the time that the cores had; and private payloads ([`privacy`]), beside the same server before a sweep; and
//! plugins ([`crossing`], [`sources`]), beside the same code without a host and sources beside each other. Only ratios survive a change of machine.

mod adds;
mod crossing;
mod large;
mod latency;
mod load;
mod machine;
mod noop;
mod opaque;
mod peer;
mod privacy;
mod records;
mod report;
mod samples;
mod server;
mod sources;
mod stats;
mod throughput;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cairnlog_tests::paths;
use machine::Machine;
use report::Part;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const HELP: &str = "\
Measures the server that lies beside this program, on this machine.

usage: cairnlog-bench [--quick] [--part opaque|records|privacy|plugins] [--entries N] [--peer PROGRAM]
                      [--native PROGRAM]

  --quick          a smoke run in seconds; its figures mean little and are not written down
  --part PART      one of the four parts alone
  --entries N      entries of the large log; without it 10000000
  --peer PROGRAM   Tessera's cmd/conformance/posix, to be measured in the same run; may be repeated
  --native PROGRAM the example `native` of the plugin aws-cloudtrail: its code without a host

A full run takes some minutes and rewrites the tables of docs/performance.md.
Nothing else should run meanwhile.
";

/// How much is measured.
#[derive(Clone, Copy)]
struct Scale {
    /// Requests of each kind in the latency part.
    requests: usize,
    /// Records of one throughput run.
    records: usize,
    /// Throughput runs, and rounds of adds.
    runs: usize,
    /// How long one figure of the opaque part is measured, in one round.
    long: Duration,
    /// Entries of the large log.
    entries: u64,
    /// Records of one sweep.
    swept: usize,
}

const FULL: Scale = Scale {
    requests: 2_000,
    records: 100_000,
    runs: 3,
    long: Duration::from_secs(3),
    entries: 10_000_000,
    swept: 1_000_000,
};
const QUICK: Scale = Scale {
    requests: 200,
    records: 10_000,
    runs: 1,
    long: Duration::from_millis(500),
    entries: 120_000,
    swept: 5_000,
};

/// What was asked for.
struct Wanted {
    scale: Scale,
    is_quick: bool,
    parts: Vec<Part>,
    peers: Vec<PathBuf>,
    native: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measured = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [noop::ARGUMENT, dir] => noop::serve(dir.into()),
        _ => {
            let Some(wanted) = wanted(&arguments) else {
                eprint!("{HELP}");
                return ExitCode::from(64);
            };
            run(&wanted)
        }
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairnlog-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted(arguments: &[String]) -> Option<Wanted> {
    let mut wanted =
        Wanted { scale: FULL, is_quick: false, parts: Part::ALL.to_vec(), peers: Vec::new(), native: None };
    let mut entries = None;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--quick" => (wanted.scale, wanted.is_quick) = (QUICK, true),
            "--part" => match rest.next()? {
                "opaque" => wanted.parts = vec![Part::Opaque],
                "records" => wanted.parts = vec![Part::Records],
                "privacy" => wanted.parts = vec![Part::Privacy],
                "plugins" => wanted.parts = vec![Part::Plugins],
                _ => return None,
            },
            "--entries" => {
                entries = Some(rest.next()?.parse().ok().filter(|count| *count >= 2 * large::SMALL)?);
            }
            "--peer" => wanted.peers.push(PathBuf::from(rest.next()?)),
            "--native" => wanted.native = Some(PathBuf::from(rest.next()?)),
            _ => return None,
        }
    }
    wanted.scale.entries = entries.unwrap_or(wanted.scale.entries);
    Some(wanted)
}

fn run(wanted: &Wanted) -> Result<()> {
    // One thread: the client shares the cores with the server, so it should take as little of them as it can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let machine = Machine::read()?;
        println!("{machine}");
        let document = paths::root().join("docs/performance.md");
        for part in &wanted.parts {
            let tables = match part {
                Part::Opaque => opaque::measure(&wanted.scale, &wanted.peers).await?,
                Part::Records => records::measure(&wanted.scale).await?,
                Part::Privacy => privacy::measure(&wanted.scale).await?,
                Part::Plugins => {
                    let crossing = crossing::measure(&wanted.scale, wanted.native.as_deref())?;
                    crossing + &sources::measure(&wanted.scale).await?
                }
            };
            println!("{tables}");
            if !wanted.is_quick {
                report::write(&document, *part, &machine, &tables)?;
            }
        }
        Ok(())
    })
}
