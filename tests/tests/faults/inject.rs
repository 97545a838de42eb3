//! The library that makes a server's file system fail: `inject.c`, which see.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const REPORT_BYTES: u64 = 4_096;

/// What happens at the chosen operation; the words are those of `inject.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It fails with EIO.
    Eio,
    /// It fails with ENOSPC.
    Enospc,
    /// A write is cut in half.
    Short,
    /// A sync fails with EIO and what was not synced is gone.
    Lost,
    /// A sync waits as long as [`Fault::hold`] says.
    Hold,
    /// SIGKILL after it.
    Kill,
    /// SIGKILL in the middle of a write.
    Torn,
    /// A power cut after it.
    Cut,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Short => "short",
            Self::Lost => "lost",
            Self::Hold => "hold",
            Self::Kill => "kill",
            Self::Torn => "torn",
            Self::Cut => "cut",
        }
    }

    /// Whether the process is to die of it.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::Kill | Self::Torn | Self::Cut)
    }
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) act: Act,
    /// Which operations count: letters of `w`, `s` and `r`.
    pub(crate) ops: &'static str,
    /// The first that fails, from 1 on; 0 for none.
    pub(crate) at: u64,
    /// How many fail; 0 for all from there on.
    pub(crate) count: u64,
}

impl Fault {
    /// None: it only counts.
    pub(crate) fn none(ops: &'static str) -> Self {
        Self { act: Act::Eio, ops, at: 0, count: 1 }
    }

    /// The file that holds up all syncs while it is there, of a fault of [`Act::Hold`] that reports to `report`.
    pub(crate) fn hold(report: &Path) -> PathBuf {
        let mut name = report.as_os_str().to_owned();
        name.push(".hold");
        name.into()
    }

    /// The environment in which a server that uses `data` meets it, and reports to the file `report`.
    pub(crate) fn env(&self, data: &Path, report: &Path) -> Vec<(String, OsString)> {
        let file = std::fs::File::create(report).expect("a file of the test's own");
        file.set_len(REPORT_BYTES).expect("room for a page");
        let row = |name: &str, value: OsString| (name.to_owned(), value);
        vec![
            row("LD_PRELOAD", library().into()),
            row("FAULT_DIR", data.into()),
            row("FAULT_REPORT", report.into()),
            row("FAULT_OPS", self.ops.into()),
            row("FAULT_AT", self.at.to_string().into()),
            row("FAULT_FOR", self.count.to_string().into()),
            row("FAULT_ACT", self.act.word().into()),
        ]
    }
}

/// What the library reports.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Operations that counted.
    pub(crate) seen: u64,
    /// Faults.
    pub(crate) done: u64,
    /// Of the first fault: the operation's letter, a space, the path.
    pub(crate) first: String,
}

impl Report {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the report");
        let (seen, rest) = bytes.split_first_chunk().expect("a number");
        let (done, rest) = rest.split_first_chunk().expect("a number");
        let first = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        Self { seen: u64::from_ne_bytes(*seen), done: u64::from_ne_bytes(*done), first }
    }

    /// Whether a sync of the write-ahead log was the first to fail.
    pub(crate) fn is_of_wal_sync(&self) -> bool {
        self.first.starts_with("s ") && Path::new(&self.first).extension().is_some_and(|name| name == "log")
    }
}

/// The library, compiled once by the C compiler that the build needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = cairnlog_tests::paths::root().join("tests/tests/faults/inject.c");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (own, shared) = (dir.join(format!("inject-{}.so", std::process::id())), dir.join("inject.so"));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let status = Command::new(compiler)
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-pthread", "-o"])
            .args([&own, &source])
            .status()
            .expect("a C compiler, `cc` or $CC");
        assert!(status.success());
        std::fs::rename(own, &shared).expect("a directory of the build's own");
        shared
    })
}
