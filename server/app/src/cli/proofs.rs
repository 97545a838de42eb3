//! `prove`: fetches what convinces others.

use std::io::Write as _;
use std::path::PathBuf;

use cairnlog_client::limits::RECEIPT_WAIT_DEFAULT;

use super::connect::LogConnection;
use super::exit::{Exit, Failure};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cairnlog prove 42 -o 42.receipt\n  cairnlog verify receipt 42.receipt --key VKEY\n  cairnlog prove 42 --cose -o 42.cose"
)]
pub(super) struct ProveArgs {
    /// The entry's index.
    index: u64,
    /// The file to write the receipt to, or `-` for standard output.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: PathBuf,
    /// As a COSE receipt, for SCITT verifiers: binary, and without the entry.
    #[arg(long)]
    cose: bool,
    #[command(flatten)]
    connection: LogConnection,
}

pub(super) async fn prove(args: ProveArgs) -> Result<Exit, Failure> {
    let log = args.connection.log().await?;
    let receipt = if args.cose {
        log.cose_receipt(args.index, RECEIPT_WAIT_DEFAULT).await?
    } else {
        log.receipt(args.index, RECEIPT_WAIT_DEFAULT).await?.into_bytes()
    };
    if args.out.as_os_str() == "-" {
        std::io::stdout().write_all(&receipt)?;
        return Ok(Exit::Good);
    }
    std::fs::write(&args.out, receipt).map_err(|error| Failure::file(&args.out, &error))?;
    let path = args.out.display();
    let entry = if args.cose { " --entry FILE" } else { "" };
    eprintln!(
        "The receipt of entry {} is in {path}. To check it, with the log's key: cairnlog verify receipt {path} --key VKEY{entry}",
        args.index
    );
    Ok(Exit::Good)
}
