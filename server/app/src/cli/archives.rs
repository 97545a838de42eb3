//! `archive key`, `archive open`: what sweeps erase, sealed before for who may keep it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cairnlog_ledger::{ArchiveError, ArchiveSecret};
use clap::Subcommand;

use super::exit::{Exit, Failure};
use super::limits::ARCHIVE_BYTES_MAX;
use super::note_keys;
use super::sources::{read_bounded, read_small};

const KEY_EXAMPLE: &str = "\
With the key in the server's settings and a directory beside it, what a sweep erases is sealed to it before. The server can't
open what it has sealed: keep the file elsewhere.

Example:
  cairnlog archive key --out archive.secret
  CAIRNLOG_ARCHIVE_TO=/mnt/archive CAIRNLOG_ARCHIVE_KEY=cairnlog-archive-key+... cairnlog serve --data data/main";

const OPEN_EXAMPLE: &str = "\
Each line is a disclosure of all fields of a record, with its receipt.

Example:
  cairnlog archive open --secret archive.secret /mnt/archive/hr/42-1060-1795424400000.archive >records.ndjson
  head -n 1 records.ndjson >one.disclosure && cairnlog verify disclosure one.disclosure --key VKEY";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key: the secret one into a file, the one for the settings on standard output.
    #[command(after_help = KEY_EXAMPLE)]
    Key {
        /// The file for the secret key; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open archives: the records, a disclosure a line.
    #[command(after_help = OPEN_EXAMPLE)]
    Open {
        /// The file with the secret key.
        #[arg(long, value_name = "FILE")]
        secret: PathBuf,
        /// The archives.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Key { out } => {
            let secret = ArchiveSecret::generate();
            note_keys::keep(&out, [secret.expose()])?;
            writeln!(std::io::stdout(), "{}", secret.key())?;
            eprintln!("The secret key is in {}: who loses it can open no archive.", out.display());
        }
        Command::Open { secret, files } => {
            let text = zeroize::Zeroizing::new(read_small(&secret)?);
            let secret: ArchiveSecret = text.parse().map_err(|error| refused(&secret, error))?;
            for file in files {
                let archive = read_bounded(&file, ARCHIVE_BYTES_MAX)?;
                let lines = secret.open(&archive).map_err(|error| refused(&file, error))?;
                std::io::stdout().write_all(&lines)?;
            }
        }
    }
    Ok(Exit::Good)
}

fn refused(path: &Path, error: ArchiveError) -> Failure {
    Failure::refused(error.to_string()).during(path.display())
}
