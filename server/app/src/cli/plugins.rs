//! `plugin push`, `plugin list` (role integrator).

use std::path::PathBuf;

use cairnlog_client::{Plugin, Uploaded};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{Connection, all};
use super::exit::{Exit, Failure};
use super::output::Shown;
use super::sources::read_bounded;
use crate::limits::PLUGIN_BYTES_MAX;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Upload plugins: WebAssembly components.
    #[command(after_help = "Example:\n  cairnlog plugin push target/plugins/*.wasm")]
    Push {
        /// The components.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the plugins.
    List {
        #[command(flatten)]
        connection: Connection,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Push { files, connection } => {
            let client = connection.client()?;
            let mut uploads = Vec::new();
            for file in &files {
                let wasm = read_bounded(file, PLUGIN_BYTES_MAX as u64)?;
                let uploaded = client.upload_plugin(wasm).await;
                uploads.push(uploaded.map_err(|error| Failure::from(error).during(file.display()))?);
            }
            connection.output.list(&mut std::io::stdout(), &uploads)?;
        }
        Command::List { connection } => {
            let client = connection.client()?;
            let plugins = all(async |page| client.plugins(page).await).await?;
            connection.output.list(&mut std::io::stdout(), &plugins)?;
        }
    }
    Ok(Exit::Good)
}

impl Shown for Plugin {
    const COLUMNS: &'static [&'static str] = &["plugin", "kinds", "summary", "digest"];

    fn cells(&self) -> Vec<String> {
        let summary = self.summary.clone().unwrap_or_default();
        vec![
            format!("{}@{}", self.name, self.version),
            self.kinds.join(" "),
            summary,
            self.digest.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "digest": self.digest.to_string(),
            "name": self.name,
            "version": self.version,
            "kinds": self.kinds,
            "imports": self.imports,
            "summary": self.summary,
        })
    }
}

impl Shown for Uploaded {
    const COLUMNS: &'static [&'static str] = &["plugin", "kinds", "new", "digest"];

    fn cells(&self) -> Vec<String> {
        let plugin = &self.plugin;
        let new = if self.new { "yes" } else { "no" };
        let name = format!("{}@{}", plugin.name, plugin.version);
        vec![name, plugin.kinds.join(" "), new.to_owned(), plugin.digest.to_string()]
    }

    fn json(&self) -> Value {
        let mut plugin = self.plugin.json();
        plugin["new"] = self.new.into();
        plugin
    }
}
