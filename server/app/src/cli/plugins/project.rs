//! A plugin's project: a folder with its source, samples and what they must become.
//!
//! ```text
//! Cargo.toml | package.json | pyproject.toml | plugin.toml     name, version, description, license; of which language it is
//! config.json                                                  the plugin's config, if it takes one
//! samples/NAME.EXT                                             raw records, or OCSF events a line
//! golden/NAME.json                                             what the plugin makes of them
//! build/NAME.wasm                                              the component
//! ```

use std::path::{Path, PathBuf};

use cairnlog_host::componentize::Metadata;
use clap::ValueEnum;
use serde_json::Value as Json;

use crate::cli::exit::Failure;
use crate::cli::sources::{read_json, read_small};

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// Rust, compiled for wasm32-unknown-unknown by cargo.
    Rust,
    /// JavaScript, run by `QuickJS` in the component; made by componentize-qjs from npm.
    #[value(name = "js", alias = "javascript")]
    Javascript,
    /// Python, run by `CPython` in the component; made by componentize-py from `PyPI`.
    Python,
    /// C, compiled by clang.
    C,
}

/// What a plugin can be in a pipeline.
const KINDS: [&str; 3] = ["normalizer", "redactor", "retention"];

impl Language {
    pub(super) const ALL: [Self; 4] = [Self::Rust, Self::Javascript, Self::Python, Self::C];

    /// The file that describes a project in it.
    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Javascript => "package.json",
            Self::Python => "pyproject.toml",
            Self::C => "plugin.toml",
        }
    }

    /// The folder of its templates.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
            Self::C => "c",
        }
    }
}

/// A project that was found.
pub(super) struct Project {
    pub(super) dir: PathBuf,
    pub(super) language: Language,
    pub(super) metadata: Metadata,
    /// The role that its manifest names, where tools have to be told.
    pub(super) kind: Option<String>,
    /// Where the SDK lies, from the project's folder.
    pub(super) sdk: String,
}

impl Project {
    /// Finds the project in `dir` by its manifest.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let found = Language::ALL.into_iter().find(|language| dir.join(language.manifest()).is_file());
        let language = found.ok_or_else(|| {
            Failure::usage(format!(
                "{} is no plugin project: it has no Cargo.toml, package.json, pyproject.toml or plugin.toml; \
                 `cairnlog plugin new NAME --kind normalizer --lang rust` makes one",
                dir.display()
            ))
        })?;
        let path = dir.join(language.manifest());
        let manifest = read_manifest(&path)?;
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| text(pointer)).unwrap_or_default();
        let metadata = Metadata {
            name: first(&["/package/name", "/project/name", "/name"]),
            version: first(&["/package/version", "/project/version", "/version"]),
            summary: first(&["/package/description", "/project/description", "/description"]),
            license: first(&["/package/license", "/project/license/text", "/project/license", "/license"]),
            source: first(&[
                "/package/repository",
                "/project/urls/Source",
                "/project/urls/source",
                "/repository/url",
                "/repository",
                "/source",
            ]),
        };
        if metadata.name.is_empty() || metadata.version.is_empty() {
            return Err(Failure::usage(format!("{} needs a name and a version", path.display())));
        }
        let own = |member: &str| {
            first(&[
                &format!("/package/metadata/cairnlog/{member}"),
                &format!("/cairnlog/{member}"),
                &format!("/tool/cairnlog/{member}"),
                &format!("/{member}"),
            ])
        };
        let (kind, sdk) = (own("kind"), own("sdk"));
        let kind = (!kind.is_empty()).then_some(kind);
        if let Some(other) = kind.as_deref().filter(|kind| !KINDS.contains(kind)) {
            let words = format!("{}: kind is one of {}, not {other:?}", path.display(), KINDS.join(", "));
            return Err(Failure::usage(words));
        }
        let sdk = if sdk.is_empty() { "sdk".to_owned() } else { sdk };
        Ok(Self { dir: dir.to_path_buf(), language, metadata, kind, sdk })
    }

    /// Where its component is.
    pub(super) fn component(&self) -> PathBuf {
        self.dir.join("build").join(format!("{}.wasm", self.metadata.name))
    }

    /// Its config as the host takes it: `{}` if it has none.
    pub(super) fn config(&self) -> Result<String, Failure> {
        let path = self.dir.join("config.json");
        if !path.is_file() {
            return Ok("{}".to_owned());
        }
        Ok(read_json(&path)?.to_string())
    }

    /// Its sample files, by name.
    pub(super) fn samples(&self) -> Result<Vec<PathBuf>, Failure> {
        let dir = self.dir.join("samples");
        let files = std::fs::read_dir(&dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let files = files.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::usage(format!(
                "there is no {}: put files there with what the plugin is given",
                dir.display()
            )),
            _ => Failure::file(&dir, &error),
        })?;
        let mut files: Vec<PathBuf> = files.into_iter().map(|file| file.path()).collect();
        files.retain(|path| path.is_file());
        files.sort();
        if files.is_empty() {
            return Err(Failure::usage(format!("{} has no file", dir.display())));
        }
        Ok(files)
    }

    /// A file of code or metadata that was changed after the component was built, if there is one.
    pub(super) fn newer_than(&self, component: &Path) -> Option<PathBuf> {
        let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
        let built = changed(component)?;
        let is_code = |path: &PathBuf| {
            let ends = ["rs", "py", "js", "ts", "c", "h"];
            path.extension().is_some_and(|end| ends.iter().any(|known| end == *known))
                || path.ends_with(self.language.manifest())
        };
        let dirs = [self.dir.clone(), self.dir.join("src")];
        let files = dirs.iter().flat_map(std::fs::read_dir).flatten().flatten().map(|file| file.path());
        files.into_iter().filter(is_code).find(|path| changed(path).is_some_and(|changed| changed > built))
    }

    /// Golden files of no sample.
    pub(super) fn orphans(&self) -> Result<Vec<PathBuf>, Failure> {
        let dir = self.dir.join("golden");
        let known: Vec<PathBuf> = self.samples()?.iter().map(|sample| self.golden(sample)).collect();
        let Ok(files) = std::fs::read_dir(&dir) else { return Ok(Vec::new()) };
        let mut orphans: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        orphans.retain(|path| path.extension().is_some_and(|end| end == "json") && !known.contains(path));
        orphans.sort();
        Ok(orphans)
    }

    /// The file that says what a sample must become.
    pub(super) fn golden(&self, sample: &Path) -> PathBuf {
        let stem = sample.file_stem().unwrap_or_default();
        self.dir.join("golden").join(stem).with_extension("json")
    }
}

fn read_manifest(path: &Path) -> Result<Json, Failure> {
    if path.extension().is_some_and(|extension| extension == "json") {
        return read_json(path);
    }
    let text = read_small(path)?;
    let refused = |error: toml::de::Error| {
        Failure::usage(format!("{} is not TOML: {}", path.display(), error.message()))
    };
    toml::from_str(&text).map_err(refused)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn project(manifest: &str, text: &str) -> Result<Project, Failure> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(manifest), text).unwrap();
        Project::open(dir.path())
    }

    #[test]
    fn each_language_says_in_its_own_file_what_the_plugin_is() {
        for (manifest, text, language) in [
            (
                "Cargo.toml",
                "[package]\nname = \"p\"\nversion = \"1.2.3\"\ndescription = \"d\"\nlicense = \"MIT\"\n",
                Language::Rust,
            ),
            (
                "package.json",
                r#"{"name": "p", "version": "1.2.3", "description": "d", "license": "MIT", "cairnlog": {"kind": "redactor"}}"#,
                Language::Javascript,
            ),
            (
                "pyproject.toml",
                "[project]\nname = \"p\"\nversion = \"1.2.3\"\ndescription = \"d\"\nlicense = {text = \"MIT\"}\n",
                Language::Python,
            ),
            (
                "plugin.toml",
                "name = \"p\"\nversion = \"1.2.3\"\ndescription = \"d\"\nlicense = \"MIT\"\nsdk = \"../x\"\n",
                Language::C,
            ),
        ] {
            let found = project(manifest, text).unwrap();
            let Metadata { name, version, summary, license, source } = &found.metadata;
            assert_eq!(
                [name, version, summary, license, source],
                ["p", "1.2.3", "d", "MIT", ""],
                "{manifest}"
            );
            assert_eq!(found.language, language);
            assert_eq!(found.kind.as_deref(), (language == Language::Javascript).then_some("redactor"));
            assert_eq!(found.sdk, if language == Language::C { "../x" } else { "sdk" });
            assert!(found.component().ends_with("build/p.wasm"));
        }
    }

    #[test]
    fn what_is_no_project_is_refused_with_what_to_do() {
        assert!(project("other.txt", "").err().unwrap().words().contains("plugin new"));
        assert!(
            project("Cargo.toml", "[package]\nname = \"p\"\n").err().unwrap().words().contains("version")
        );
        assert!(project("plugin.toml", "name").err().unwrap().words().contains("not TOML"));
    }
}
