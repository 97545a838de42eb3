//! `plugin build`: from a project to a component that a server takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cairnlog_host::UnusedWasi;
use cairnlog_host::componentize::{componentize, describe};
use serde::Deserialize;

use super::inspect::{Inspected, load};
use super::project::{Language, Project};
use super::scaffold;
use crate::cli::exit::Failure;
use crate::cli::sources::read_bounded;
use crate::limits::CORE_BYTES_MAX;

/// How a language's tools make a module, as `build.json` beside its templates says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// Programs that must be there.
    needs: Vec<Need>,
    /// Commands, one after the other, in the project's folder.
    steps: Vec<Vec<String>>,
    /// What they leave.
    output: String,
    /// What that is.
    kind: Made,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Need {
    program: String,
    /// How to get it.
    hint: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Made {
    Component,
    Core,
}

/// Builds the component of a project and checks it as a server would.
pub(super) fn build(project: &Project) -> Result<Inspected, Failure> {
    let recipe = recipe(project)?;
    for Need { program, hint } in &recipe.needs {
        if !is_there(program) {
            return Err(Failure::cannot_tell(format!("there is no {program} here: {hint}")));
        }
    }
    if project.language == Language::Rust {
        require_target()?;
    } else if !project.dir.join("wit").is_dir() {
        scaffold::interfaces(&project.dir)?;
    }
    let dir = project.dir.join("build");
    std::fs::create_dir_all(&dir).map_err(|error| Failure::file(&dir, &error))?;
    // One of before must not be taken for what this build makes.
    let path = project.component();
    if path.exists() {
        std::fs::remove_file(&path).map_err(|error| Failure::file(&path, &error))?;
    }
    for step in &recipe.steps {
        run(&project.dir, step)?;
    }
    let output = project.dir.join(&recipe.output);
    let made = read_bounded(&output, CORE_BYTES_MAX)?;
    let component = match recipe.kind {
        Made::Core => componentize(&made, &project.metadata),
        Made::Component => describe(&made, &project.metadata),
    };
    let component = component.map_err(|error| Failure::refused(error.to_string()))?;
    let inspected =
        load(&component, UnusedWasi::Refuse).map_err(|failure| failure.during(output.display()))?;
    std::fs::write(&path, &component).map_err(|error| Failure::file(&path, &error))?;
    Ok(inspected)
}

/// The language's recipe with the project's own words in it.
fn recipe(project: &Project) -> Result<Recipe, Failure> {
    let folder = project.language.folder();
    let text = scaffold::template(&format!("{folder}/build.json"))
        .ok_or_else(|| Failure::cannot_tell(format!("this build has no recipe for {folder}")))?;
    let module = project.metadata.name.replace('-', "_");
    let text = text
        .replace("{{module}}", &module)
        .replace("{{sdk}}", &project.sdk)
        .replace("{{kind}}", project.kind.as_deref().unwrap_or("normalizer"));
    serde_json::from_str(&text).map_err(|error| Failure::cannot_tell(format!("{folder}/build.json: {error}")))
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// A missing target gives hundreds of lines of errors, so it is looked for before.
fn require_target() -> Result<(), Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"])
        .stderr(Stdio::null())
        .output();
    let dir = asked.map(|answer| PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()));
    if dir.is_ok_and(|dir| dir.is_dir()) {
        return Ok(());
    }
    Err(Failure::cannot_tell(
        "rustc has no target wasm32-unknown-unknown: `rustup target add wasm32-unknown-unknown`, or, where rustup \
         can't reach its server, `make prepare` in Cairnlog's repository and then `. .tools/wasm/env`",
    ))
}

fn run(dir: &Path, step: &[String]) -> Result<(), Failure> {
    let [program, arguments @ ..] = step else {
        return Err(Failure::cannot_tell("a step of build.json has no program"));
    };
    // A program of the project's own is named from its folder.
    let program = if program.contains('/') { dir.join(program) } else { PathBuf::from(program) };
    eprintln!("{} {}", program.display(), arguments.join(" "));
    let mut command = Command::new(&program);
    // What others ask of their own builds is not the plugin's.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    // Of a tool in another language only its own words help.
    command.env_remove("RUST_BACKTRACE");
    // What a Python plugin imports is what its requirements say, not what this machine happens to have.
    if let Ok(venv) = std::path::absolute(dir.join(".venv"))
        && venv.is_dir()
    {
        command.env("VIRTUAL_ENV", venv);
    }
    // Standard output is for what this command says itself.
    let status = command.args(arguments).current_dir(dir).stdout(std::io::stderr()).status();
    let status = status.map_err(|error| Failure::file(&program, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::refused(format!("{} failed ({status}); what is above says why", program.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_language_has_a_recipe() {
        for language in Language::ALL {
            let text = scaffold::template(&format!("{}/build.json", language.folder())).unwrap();
            let recipe: Recipe = serde_json::from_str(text).unwrap();
            assert!(!recipe.steps.is_empty() && !recipe.needs.is_empty(), "{language:?}");
        }
    }
}
