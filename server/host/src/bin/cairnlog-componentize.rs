//! Makes a plugin component of a core WebAssembly module: the last step of a plugin's build.

use std::process::ExitCode;

use cairnlog_host::componentize::{Metadata, componentize};

const HELP: &str = "\
Makes a plugin component of a core WebAssembly module that was built for
wasm32-unknown-unknown against the guest SDK.

usage: cairnlog-componentize CORE.wasm OUT.wasm --name NAME --version VERSION
           [--summary TEXT] [--licence SPDX] [--source URL]

The metadata goes into the component's own sections, from where servers read it
without running the component. NAME is [a-z0-9-]{1,64}. An empty TEXT, SPDX or
URL is left out. The values are those of Cargo.toml; `cargo metadata` knows them,
and so does the environment of a build script (CARGO_PKG_NAME and so on).

exit codes: 0 written, 1 the module can't be made a component, 3 a file can't be
read or written, 64 usage
";

enum Failure {
    Usage(String),
    Files(String),
    Refused(String),
}

struct Arguments {
    core: String,
    out: String,
    metadata: Metadata,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let (code, words) = match parse(arguments).and_then(|arguments| run(&arguments)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(words)) => (1, words),
        Err(Failure::Files(words)) => (3, words),
        Err(Failure::Usage(words)) => (64, format!("{words}; see --help")),
    };
    eprintln!("cairnlog-componentize: {words}");
    ExitCode::from(code)
}

fn parse(arguments: Vec<String>) -> Result<Arguments, Failure> {
    let mut metadata = Metadata::default();
    let mut files = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let field = match argument.as_str() {
            "--name" => &mut metadata.name,
            "--version" => &mut metadata.version,
            "--summary" => &mut metadata.summary,
            "--licence" => &mut metadata.license,
            "--source" => &mut metadata.source,
            flag if flag.starts_with("--") => return Err(Failure::Usage(format!("unknown option {flag}"))),
            _ => {
                files.push(argument);
                continue;
            }
        };
        *field = arguments.next().ok_or_else(|| Failure::Usage(format!("{argument} needs a value")))?;
    }
    if metadata.name.is_empty() || metadata.version.is_empty() {
        return Err(Failure::Usage("--name and --version are needed".to_owned()));
    }
    let [core, out] = <[String; 2]>::try_from(files)
        .map_err(|files| Failure::Usage(format!("two files are needed, {} given", files.len())))?;
    Ok(Arguments { core, out, metadata })
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let core = std::fs::read(&arguments.core)
        .map_err(|error| Failure::Files(format!("can't read {}: {error}", arguments.core)))?;
    let component = componentize(&core, &arguments.metadata)
        .map_err(|error| Failure::Refused(format!("{} makes no component: {error}", arguments.core)))?;
    std::fs::write(&arguments.out, component)
        .map_err(|error| Failure::Files(format!("can't write {}: {error}", arguments.out)))
}
