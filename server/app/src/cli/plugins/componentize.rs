//! `plugin componentize`: a plugin of what tools of somebody's own have built.

use std::path::PathBuf;

use cairnlog_host::componentize::{Metadata, componentize, describe};

use crate::cli::exit::Failure;
use crate::cli::sources::read_bounded;
use crate::limits::CORE_BYTES_MAX;

/// What is made a plugin, and what it says of itself.
#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// A core module with its component type, as wit-bindgen leaves it, or a component.
    file: PathBuf,
    /// Where the plugin goes.
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Its name, 1 to 64 of a-z, 0-9 and -.
    #[arg(long)]
    name: String,
    /// Its version.
    #[arg(long)]
    version: String,
    /// What it does, in a sentence.
    #[arg(long, value_name = "TEXT", default_value = "")]
    summary: String,
    /// Its licence.
    #[arg(long, value_name = "SPDX", default_value = "")]
    licence: String,
    /// Where its source is.
    #[arg(long, value_name = "URL", default_value = "")]
    source: String,
}

pub(super) fn make(args: &Args) -> Result<(), Failure> {
    let metadata = Metadata {
        name: args.name.clone(),
        version: args.version.clone(),
        summary: args.summary.clone(),
        license: args.licence.clone(),
        source: args.source.clone(),
    };
    let wasm = read_bounded(&args.file, CORE_BYTES_MAX)?;
    let made = if is_core(&wasm) { componentize(&wasm, &metadata) } else { describe(&wasm, &metadata) };
    let made = made.map_err(|error| Failure::refused(error.to_string()).during(args.file.display()))?;
    std::fs::write(&args.out, made).map_err(|error| Failure::file(&args.out, &error))
}

/// Bytes 4 and 5 are the version of the binary format, 6 and 7 its layer: 0 a core module, 1 a component.
fn is_core(wasm: &[u8]) -> bool {
    wasm.get(6..8) == Some(&[0, 0])
}
