//! `plugin new`: a project that builds, is tested and says what to do next.
//!
//! Templates, SDKs and the interfaces are in this binary, and a project gets its own copy of the two latter: it builds
//! wherever it lies, and tomorrow as today.

use std::path::Path;

use include_dir::{Dir, DirEntry, include_dir};

use super::project::Language;
use crate::cli::exit::Failure;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/templates");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static RUST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/plugin/src");
static JAVASCRIPT_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/js");
static PYTHON_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/python");
static C_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c");

/// Folders that a project has no use for.
const LEFT_OUT: [&str; 3] = ["test", "tests", "__pycache__"];

/// The text of a template.
pub(super) fn template(path: &str) -> Option<&'static str> {
    TEMPLATES.get_file(path)?.contents_utf8()
}

/// Makes the project `name` in the new folder `dir`.
pub(super) fn scaffold(dir: &Path, name: &str, kind: &str, language: Language) -> Result<(), Failure> {
    cairnlog_verify::name::check(name)
        .map_err(|error| Failure::usage(format!("the plugin's name: {error}")))?;
    if dir.exists() {
        return Err(Failure::usage(format!("{} is there already; choose another folder", dir.display())));
    }
    let folder = language.folder();
    let from = TEMPLATES.get_dir(format!("{folder}/{kind}"));
    let from = from.ok_or_else(|| Failure::usage(format!("there is no template of a {kind} in {folder}")))?;
    let words = |text: &str| text.replace("{{name}}", name).replace("{{module}}", &name.replace('-', "_"));
    copy(from, from.path(), dir, &words)?;
    let as_it_is = |text: &str| text.to_owned();
    match language {
        Language::Rust => {
            let manifest = template("rust/sdk-Cargo.toml").unwrap_or_default();
            write(&dir.join("sdk/plugin/Cargo.toml"), manifest.as_bytes())?;
            let lock = template("rust/Cargo.lock").unwrap_or_default();
            write(&dir.join("Cargo.lock"), words(lock).as_bytes())?;
            copy(&RUST_SDK, RUST_SDK.path(), &dir.join("sdk/plugin/src"), &as_it_is)?;
            copy(&WIT, WIT.path(), &dir.join("wit"), &as_it_is)?;
        }
        Language::Javascript => copy(&JAVASCRIPT_SDK, JAVASCRIPT_SDK.path(), &dir.join("sdk"), &as_it_is)?,
        Language::Python => copy(&PYTHON_SDK, PYTHON_SDK.path(), &dir.join("sdk"), &as_it_is)?,
        Language::C => copy(&C_SDK, C_SDK.path(), &dir.join("sdk"), &as_it_is)?,
    }
    if language == Language::Rust { Ok(()) } else { interfaces(dir) }
}

/// Puts the interfaces into a project as the tools of other languages than Rust take them: a folder of one package.
pub(super) fn interfaces(dir: &Path) -> Result<(), Failure> {
    let of_v1 = WIT.get_dir("v1").ok_or_else(|| Failure::cannot_tell("this build has no interfaces"))?;
    copy(of_v1, of_v1.path(), &dir.join("wit"), &str::to_owned)
}

/// Copies a folder of the binary, each text changed on the way.
fn copy(from: &Dir<'_>, root: &Path, to: &Path, words: &impl Fn(&str) -> String) -> Result<(), Failure> {
    for entry in from.entries() {
        let path = entry.path().strip_prefix(root).unwrap_or_else(|_| entry.path());
        let name = entry.path().file_name().unwrap_or_default();
        match entry {
            DirEntry::Dir(_) if LEFT_OUT.iter().any(|left_out| name == *left_out) => {}
            DirEntry::Dir(dir) => copy(dir, root, to, words)?,
            DirEntry::File(file) => {
                // Cargo takes a folder with a Cargo.toml for a package, and git a .gitignore for its own.
                let path = match name.to_str() {
                    Some("gitignore") => path.with_file_name(".gitignore"),
                    Some("Cargo.toml.in") => path.with_file_name("Cargo.toml"),
                    _ => path.to_path_buf(),
                };
                match file.contents_utf8() {
                    Some(text) => write(&to.join(path), words(text).as_bytes())?,
                    None => write(&to.join(path), file.contents())?,
                }
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    }
    std::fs::write(path, bytes).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::plugins::project::Project;

    #[test]
    fn every_kind_in_every_language_is_a_project_with_samples_and_what_they_become() {
        let dir = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            for kind in ["normalizer", "redactor", "retention"] {
                let place = dir.path().join(format!("{}-{kind}", language.folder()));
                scaffold(&place, "my-plugin", kind, language).unwrap();
                let project = Project::open(&place).unwrap();
                assert_eq!((project.language, project.metadata.name.as_str()), (language, "my-plugin"));
                for sample in project.samples().unwrap() {
                    assert!(project.golden(&sample).is_file(), "{}", sample.display());
                }
                assert!(
                    place.join(".gitignore").is_file() && place.join("README.md").is_file(),
                    "{language:?}"
                );
                let again = scaffold(&place, "my-plugin", kind, language);
                assert!(again.unwrap_err().words().contains("there already"));
            }
        }
        assert!(scaffold(&dir.path().join("x"), "No Name", "redactor", Language::C).is_err());
    }

    #[test]
    fn a_projects_sdk_asks_for_what_the_sdk_is_tested_with() {
        let own: toml::Value = toml::from_str(template("rust/sdk-Cargo.toml").unwrap()).unwrap();
        let workspace: toml::Value =
            toml::from_str(include_str!("../../../../../plugins/Cargo.toml")).unwrap();
        for (name, wanted) in own["dependencies"].as_table().unwrap() {
            assert_eq!(wanted, &workspace["workspace"]["dependencies"][name], "{name}");
        }
        let packages = |lock: &str| -> BTreeSet<(String, String)> {
            let lock: toml::Value = toml::from_str(lock).unwrap();
            let member = |package: &toml::Value, name: &str| package[name].as_str().unwrap().to_owned();
            let packages = lock["package"].as_array().unwrap().iter();
            packages.map(|package| (member(package, "name"), member(package, "version"))).collect()
        };
        let tested = packages(include_str!("../../../../../plugins/Cargo.lock"));
        let mut own = packages(template("rust/Cargo.lock").unwrap());
        assert!(own.remove(&("{{name}}".to_owned(), "0.1.0".to_owned())));
        assert!(own.is_subset(&tested), "{:?}", own.difference(&tested).collect::<Vec<_>>());
    }
}
