//! What a component says of itself, read without compiling or running it.

use cairnlog_verify::name;
use wasm_metadata::ComponentNames;
use wasmparser::{Encoding, Instance, KnownCustom, Parser, Payload};

use crate::instance::HOST_INTERFACE;
use crate::limits::{COMPONENT_BYTES_MAX, FAULTS_MAX, METADATA_BYTES_MAX, NESTING_MAX, VERSION_BYTES_MAX};
use crate::plugin::UnusedWasi;
use crate::text::cut;
use crate::types::Kind;

/// The types-only interface that every component imports.
const EVENTS_INTERFACE: &str = "cairnlog:plugin/events@1.0.0";
/// What every plugin exports besides its roles.
const SETTINGS_INTERFACE: &str = "cairnlog:plugin/settings@1.0.0";

/// The interfaces that make a plugin, and their roles.
const ROLES: [(&str, Kind); 3] = [
    ("cairnlog:plugin/normalizer@1.0.0", Kind::Normalizer),
    ("cairnlog:plugin/redactor@1.0.0", Kind::Redactor),
    ("cairnlog:plugin/retention@1.0.0", Kind::Retention),
];

/// What an import that is not lent is called, and what is said between it and its usual cause.
const UNKNOWN_IMPORT: &str = "unknown-import";
const NOT_LENT: &str = " is not lent, only cairnlog:plugin/host@1.0.0: ";
/// How the names of WASI's interfaces start.
const WASI: &str = "wasi:";

/// Starts of import names and what usually brings such an import into a plugin.
const CAUSES: [(&str, &str); 9] = [
    (
        "wasi:clocks/",
        "usually SystemTime::now(), Date.now(), time.time() or time(): there is no clock but the record's `received`",
    ),
    (
        "wasi:random/",
        "usually a HashMap built for wasm32-wasip2: build for wasm32-unknown-unknown, or use a BTreeMap",
    ),
    ("wasi:cli/", "usually println!, eprintln!, std::env or std::process::exit: log through `host` instead"),
    ("wasi:io/", "usually println! or eprintln!, or a build for wasm32-wasip2: log through `host` instead"),
    ("wasi:filesystem/", "usually std::fs, or a build for wasm32-wasip2: a plugin has no files"),
    ("wasi:sockets/", "usually std::net: a plugin has no network"),
    ("wasi:http/", "usually an HTTP client: a plugin has no network"),
    (
        PREVIEW1,
        "usually time(), printf() or getenv() of C, or a build for wasm32-wasip1: a plugin has no clock but the record's `received`, \
         no files and no standard output",
    ),
    ("cairnlog:plugin/", "another version of the plugin interfaces, or one that plugins don't import"),
];

/// The module from which builds for wasm32-wasip1 import.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// One thing wrong with an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFault {
    /// `too-large`, `too-deep`, `not-a-component`, `unknown-import`, `no-known-interface`, `no-name`, `no-version`,
    /// `wrong-interface`, `cannot-compile`, `compile-limit`, `cannot-instantiate`, `trap-on-configure`, `bad-schema` or `host-busy`.
    pub code: &'static str,
    /// What it is and what to do about it.
    pub detail: String,
}

impl PluginFault {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Several things wrong, in one line; imports of the same cause together.
pub(crate) fn told(faults: &[PluginFault]) -> String {
    let mut imports: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut others = Vec::new();
    for PluginFault { code, detail } in faults {
        let Some((import, cause)) = detail.split_once(NOT_LENT).filter(|_| *code == UNKNOWN_IMPORT) else {
            others.push(format!("{code}: {detail}"));
            continue;
        };
        match imports.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, of_cause)) => of_cause.push(import),
            None => imports.push((cause, vec![import])),
        }
    }
    let links_wasi = imports.iter().flat_map(|(_, imports)| imports).any(|import| import.starts_with(WASI));
    let words = imports
        .iter()
        .map(|(cause, imports)| format!("{UNKNOWN_IMPORT}: {}{NOT_LENT}{cause}", imports.join(", ")));
    let mut words: Vec<String> = words.chain(others).collect();
    if links_wasi {
        words.push("a component that links WASI and never calls it is taken with `--stub-wasi`".to_owned());
    }
    words.join("; ")
}

/// What the sections of a component say.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) license: String,
    pub(crate) source: String,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) imports: Vec<String>,
    /// Instances of core modules, those of nested components included.
    pub(crate) core_instances: u32,
    exports: Vec<String>,
}

/// Reads a component's imports, exports and metadata.
///
/// # Errors
/// Everything that is wrong with it as far as its sections show, at most [`FAULTS_MAX`] things.
pub(crate) fn inspect(wasm: &[u8], unused: UnusedWasi) -> Result<Description, Vec<PluginFault>> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        let detail = format!("{} bytes; a plugin has at most {COMPONENT_BYTES_MAX}", wasm.len());
        return Err(vec![PluginFault::new("too-large", detail)]);
    }
    let mut found = sections(wasm).map_err(|fault| vec![fault])?;
    found.kinds =
        ROLES.iter().filter(|(role, _)| found.exports.iter().any(|e| e == role)).map(|(_, k)| *k).collect();
    let mut faults: Vec<PluginFault> =
        found.imports.iter().filter_map(|import| unknown_import(import, unused)).collect();
    faults.truncate(FAULTS_MAX);
    faults.extend(missing(&found));
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// The functions that a core module wants of WASI's first preview: no component can be made of it.
pub(crate) fn preview1_imports(core: &[u8]) -> Vec<PluginFault> {
    let mut faults = Vec::new();
    for payload in Parser::new(0).parse_all(core) {
        let Ok(Payload::ImportSection(imports)) = payload else { continue };
        for import in imports.into_imports().flatten().filter(|import| import.module == PREVIEW1) {
            faults.extend(unknown_import(&format!("{PREVIEW1}::{}", import.name), UnusedWasi::Refuse));
        }
    }
    faults.truncate(FAULTS_MAX);
    faults
}

fn unknown_import(import: &str, unused: UnusedWasi) -> Option<PluginFault> {
    let is_stubbed = unused == UnusedWasi::Stub && import.starts_with(WASI);
    if import == HOST_INTERFACE || import == EVENTS_INTERFACE || is_stubbed {
        return None;
    }
    let cause = CAUSES.iter().find(|(start, _)| import.starts_with(start));
    let cause = cause.map_or("a plugin is lent nothing else", |(_, cause)| cause);
    let shown = cut(import, 256);
    Some(PluginFault::new(UNKNOWN_IMPORT, format!("{shown}{NOT_LENT}{cause}")))
}

/// What a plugin must have and this one has not.
fn missing(found: &Description) -> Vec<PluginFault> {
    let mut faults = Vec::new();
    if found.kinds.is_empty() {
        let [normalizer, redactor, retention] = ROLES.map(|(role, _)| role);
        let detail = format!("exports none of {normalizer}, {redactor} and {retention}");
        faults.push(PluginFault::new("no-known-interface", detail));
    } else if !found.exports.iter().any(|export| export == SETTINGS_INTERFACE) {
        faults.push(PluginFault::new("no-known-interface", format!("does not export {SETTINGS_INTERFACE}")));
    }
    if name::check(&found.name).is_err() {
        let detail = "its metadata has no name of [a-z0-9-]{1,64}: `cairnlog plugin componentize FILE --name` gives it one";
        faults.push(PluginFault::new("no-name", detail));
    }
    let version = &found.version;
    if version.is_empty()
        || version.len() > VERSION_BYTES_MAX
        || !version.bytes().all(|b| b.is_ascii_graphic())
    {
        let detail = "its metadata has no version of 1 to 64 visible ASCII characters: \
                      `cairnlog plugin componentize FILE --version` gives it one";
        faults.push(PluginFault::new("no-version", detail));
    }
    faults
}

/// Walks the sections of the outermost component; of what is nested in it only instances count.
fn sections(wasm: &[u8]) -> Result<Description, PluginFault> {
    let refused = |words: String| PluginFault::new("not-a-component", words);
    let malformed = |error| refused(format!("not a WebAssembly component: {error}"));
    let mut found = Description::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                let words = "a core module, not a component: `cairnlog plugin componentize` makes it one";
                return Err(refused(words.to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > NESTING_MAX {
                    let words = format!("components nested deeper than {NESTING_MAX}");
                    return Err(PluginFault::new("too-deep", words));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    let instance = instance.map_err(malformed)?;
                    found.core_instances += u32::from(matches!(instance, Instance::Instantiate { .. }));
                }
            }
            payload if depth == 0 => {
                section(&mut found, &payload).map_err(|error| refused(error.to_string()))?;
            }
            _ => {}
        }
    }
    Ok(found)
}

fn section(found: &mut Description, payload: &Payload<'_>) -> Result<(), anyhow::Error> {
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                found.imports.push(import?.name.name.to_owned());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                found.exports.push(export?.name.name.to_owned());
            }
        }
        Payload::CustomSection(section) => match (section.as_known(), section.name()) {
            (KnownCustom::ComponentName(_), _) => {
                let names = ComponentNames::from_bytes(section.data(), section.data_offset())?;
                found.name = names.get_name().cloned().unwrap_or_default();
            }
            (_, "version") => found.version = text(section.data()),
            (_, "description") => found.summary = text(section.data()),
            (_, "licenses") => found.license = text(section.data()),
            (_, "source") => found.source = text(section.data()),
            _ => {}
        },
        _ => {}
    }
    Ok(())
}

fn text(data: &[u8]) -> String {
    cut(&String::from_utf8_lossy(data), METADATA_BYTES_MAX).to_owned()
}
