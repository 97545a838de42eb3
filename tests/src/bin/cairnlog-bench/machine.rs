//! What the figures were taken on.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use cairnlog_verify::entry::hour;

use crate::Result;

/// The machine and the moment.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    load: String,
    date: String,
}

impl Machine {
    #[allow(clippy::disallowed_methods, reason = "the tables say when they were taken")]
    pub(crate) fn read() -> Result<Self> {
        let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let kib = field("/proc/meminfo", "MemTotal")?;
        let kib: u64 = kib.trim_end_matches("kB").trim().parse()?;
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|_| std::env::consts::ARCH.to_owned()),
            cores: cores(),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split_whitespace().next().unwrap_or("?").to_owned(),
            date: hour(now_ms).to_string().chars().take(10).collect(),
        })
    }
}

/// Cores that this process may use; the server gets the same.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn field(file: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.map(|value| value.trim().to_owned()).ok_or_else(|| format!("{file} has no {name}").into())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, load, date } = self;
        write!(
            f,
            "{date}, {cores} cores of {cpu}, {memory_gib} GiB, Linux {kernel}, load before the run {load}"
        )
    }
}
