//! The normalizer without WebAssembly, for the bench: what crossing into a plugin costs is what the same code costs there, more.
//!
//! `native FILE SECONDS` normalizes the file's lines again and again for so long and prints nanoseconds a record.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_cloudtrail::CloudTrail;
use cairnlog_plugin::{Normalizer as _, Raw};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seconds] = arguments.as_slice() else {
        eprintln!("usage: native FILE SECONDS");
        return ExitCode::from(64);
    };
    let (Ok(text), Ok(seconds)) = (std::fs::read(file), seconds.parse()) else {
        eprintln!("native: {file} can't be read, or {seconds} is no number");
        return ExitCode::FAILURE;
    };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    println!("{}", nanoseconds(&lines, Duration::from_secs(seconds)));
    ExitCode::SUCCESS
}

/// Of one record, made of its line anew each time, as a plugin gets it.
fn nanoseconds(lines: &[&[u8]], long: Duration) -> u128 {
    let (started, mut records) = (Instant::now(), 0_u128);
    while started.elapsed() < long {
        for line in lines {
            let raw = Raw {
                source: "bench".to_owned(),
                received: 0,
                content_type: "application/json".to_owned(),
                body: line.to_vec(),
                attributes: Vec::new(),
            };
            black_box(CloudTrail.normalize(black_box(&raw)));
        }
        records += lines.len() as u128;
    }
    started.elapsed().as_nanos() / records.max(1)
}
