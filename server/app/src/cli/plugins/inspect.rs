//! `plugin inspect`: what a component is, checked as a server checks an upload.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairnlog_host::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use cairnlog_host::{Host, HostLimits, Plugin, UnusedWasi};
use cairnlog_verify::entry::Digest;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::cli::exit::Failure;
use crate::cli::output::Shown;
use crate::cli::sources::read_bounded;
use crate::limits::PLUGIN_BYTES_MAX;

/// A component that a server would take.
pub(super) struct Inspected {
    pub(super) host: Host,
    pub(super) plugin: Arc<Plugin>,
    size: usize,
    compiled: Duration,
}

/// What names a component.
pub(super) fn digest_of(wasm: &[u8]) -> Digest {
    Digest(Sha256::digest(wasm).into())
}

/// Reads and checks a component.
pub(super) fn read(path: &Path, unused: UnusedWasi) -> Result<Inspected, Failure> {
    let wasm = read_bounded(path, PLUGIN_BYTES_MAX as u64)?;
    load(&wasm, unused).map_err(|failure| failure.during(path.display()))
}

/// Checks a component, compiles it and instantiates it once.
pub(super) fn load(wasm: &[u8], unused: UnusedWasi) -> Result<Inspected, Failure> {
    let host = Host::new(HostLimits { instances: 2, ..HostLimits::default() })
        .map_err(|error| Failure::cannot_tell(error.to_string()))?;
    let started = Instant::now();
    let loaded =
        host.load_with(wasm, unused).map_err(|interrupted| Failure::cannot_tell(interrupted.to_string()))?;
    let plugin = loaded.map_err(|invalid| Failure::refused(invalid.to_string()))?;
    Ok(Inspected { host, plugin, size: wasm.len(), compiled: started.elapsed() })
}

fn of_most(number: u32, most: u32) -> String {
    format!("{number} of {most}")
}

impl Shown for Inspected {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "version",
        "summary",
        "licence",
        "source",
        "kinds",
        "digest",
        "bytes",
        "imports",
        "config schema",
        "compiled in",
        "core instances",
        "memories",
        "tables",
    ];

    fn cells(&self) -> Vec<String> {
        let plugin = &self.plugin;
        let kinds: Vec<_> = plugin.kinds.iter().map(ToString::to_string).collect();
        vec![
            plugin.name.clone(),
            plugin.version.clone(),
            plugin.summary.clone(),
            plugin.license.clone(),
            plugin.source.clone(),
            kinds.join(" "),
            Digest(plugin.digest).to_string(),
            self.size.to_string(),
            plugin.imports.join(" "),
            if plugin.schema.is_some() { "yes" } else { "no" }.to_owned(),
            format!("{} ms", self.compiled.as_millis()),
            of_most(plugin.footprint.core_instances, CORE_INSTANCES_MAX),
            of_most(plugin.footprint.memories, MEMORIES_MAX),
            of_most(plugin.footprint.tables, TABLES_MAX),
        ]
    }

    fn json(&self) -> Json {
        let plugin = &self.plugin;
        let schema = plugin.schema.as_deref().and_then(|schema| serde_json::from_str::<Json>(schema).ok());
        json!({
            "name": plugin.name,
            "version": plugin.version,
            "summary": plugin.summary,
            "license": plugin.license,
            "source": plugin.source,
            "kinds": plugin.kinds,
            "digest": Digest(plugin.digest).to_string(),
            "size": self.size,
            "imports": plugin.imports,
            "schema": schema,
            "core_instances": plugin.footprint.core_instances,
            "memories": plugin.footprint.memories,
            "memory_bytes": plugin.footprint.memory_bytes,
            "tables": plugin.footprint.tables,
            "compile_ms": u64::try_from(self.compiled.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
