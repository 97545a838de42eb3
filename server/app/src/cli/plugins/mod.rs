//! `plugin …`: from an empty folder to a running pipeline.

mod bench;
mod build;
mod componentize;
mod golden;
mod inspect;
mod project;
mod pull;
mod push;
mod replay;
mod runner;
mod scaffold;
mod sign;

use std::path::PathBuf;

use cairnlog_client::Plugin;
use cairnlog_host::UnusedWasi;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::{Output, Shown};
use inspect::Inspected;
use project::{Language, Project};
use runner::Runner;

const NEW_EXAMPLES: &str = "\
The project builds and passes its test as it is. It has its own copy of the SDK and of the interfaces.

Examples:
  cairnlog plugin new door-log --kind normalizer --lang rust
  cairnlog plugin new no-names --kind redactor --lang python";

const PUSH_EXAMPLES: &str = "\
Without a file it is the component that `plugin build` made of the project in this folder. With --source it takes the place of
the plugin of its name in the source's pipeline, with --force of one of its kind, after it was tried on what the source has
in quarantine.

Examples:
  cairnlog plugin push target/plugins/*.wasm
  cairnlog plugin push --sample samples/made-up.ndjson
  cairnlog plugin push --source doors --canary 10
  cairnlog plugin push --source doors
  cairnlog plugin push build/door-log.wasm --source doors --config config.json";

const PULL_EXAMPLES: &str = "\
A plugin in a registry is an artifact with one layer of the media type application/wasm, such as `oras push` and `wkg oci push` make;
its signature is the manifest's annotation cairnlog.plugin.signature.

Examples:
  cairnlog plugin pull ghcr.io/example/door-log:0.1.0
  cairnlog plugin pull ghcr.io/example/door-log:0.1.0 --key 'example.org/plugins+6a1f…' -o door-log.wasm";

const REPLAY_EXAMPLES: &str = "\
The record's fields are disclosed and proven first, its pipeline's manifest is read from the log and hashed. A dropped value's salt
was thrown away and a pseudonym's key is the server's: of those it is shown that they stand where they must. Who sent the record
with `ingest --openings` has the salts. Exit code 1 if a field is another one.

Examples:
  cairnlog plugin replay 42 --raw line.json
  cairnlog plugin replay 42 --raw line.json --openings openings.ndjson";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a project: a plugin that builds, is tested and can be pushed.
    #[command(after_help = NEW_EXAMPLES)]
    New {
        /// The plugin's name, 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// What it does in a pipeline.
        #[arg(long, value_enum, value_name = "KIND", default_value = "normalizer")]
        kind: KindName,
        /// What it is written in.
        #[arg(long, value_enum, value_name = "LANGUAGE", default_value = "rust")]
        lang: Language,
        /// The new folder; named like the plugin if left out.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Build a project's component and check it as a server would.
    #[command(after_help = "Example:\n  cairnlog plugin build")]
    Build {
        /// The project's folder.
        #[arg(default_value = ".", value_name = "DIR")]
        dir: PathBuf,
        /// How to print: for people, or as JSON.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Run samples/ through the plugin as a server would and compare with golden/.
    #[command(
        after_help = "Examples:\n  cairnlog plugin test\n  cairnlog plugin test --bless            # what it makes now is what it must make"
    )]
    Test {
        /// The project's folder.
        #[arg(default_value = ".", value_name = "DIR")]
        dir: PathBuf,
        /// Accept what the samples become now.
        #[arg(long)]
        bless: bool,
    },
    /// Measure records a second, fuel and memory on samples/.
    #[command(after_help = "Example:\n  cairnlog plugin bench")]
    Bench {
        /// The project's folder.
        #[arg(default_value = ".", value_name = "DIR")]
        dir: PathBuf,
    },
    /// Make a plugin of a core module or component that other tools built: its name, version and other metadata go in.
    #[command(
        after_help = "Example:\n  cairnlog plugin componentize core.wasm -o door-log.wasm --name door-log --version 0.1.0"
    )]
    Componentize(componentize::Args),
    /// Show what a component is, without a server.
    #[command(after_help = "Example:\n  cairnlog plugin inspect target/plugins/redact-fields.wasm")]
    Inspect {
        /// The component.
        file: PathBuf,
        /// Take a component that imports WASI as long as it does not call it.
        #[arg(long)]
        stub_wasi: bool,
        /// How to print: for people, or as JSON.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Upload plugins: WebAssembly components (role integrator).
    #[command(after_help = PUSH_EXAMPLES)]
    Push(push::Args),
    /// Make a key that signs plugins, and print its public half: it goes into a server's setting `plugin_keys`.
    #[command(after_help = "Example:\n  cairnlog plugin keygen example.org/plugins --out plugins.key")]
    Keygen {
        /// The key's name: a host and a path of yours, without scheme.
        name: String,
        /// Where the private key goes; the file must not be there yet.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign components: the signature goes beside each, and `push` sends it along.
    #[command(after_help = "Example:\n  cairnlog plugin sign build/door-log.wasm --key plugins.key")]
    Sign {
        /// The components; that of the project in this folder if none is given.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The file with the private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Fetch a component, and its signature, from an OCI registry.
    #[command(after_help = PULL_EXAMPLES)]
    Pull(pull::Args),
    /// Run the plugins of a record's pipeline over its raw record again and compare with what the log committed to (roles auditor
    /// and integrator).
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay {
        /// The record's index.
        index: u64,
        /// The raw record's exact bytes; the end of its line may be there.
        #[arg(long, value_name = "FILE")]
        raw: PathBuf,
        /// As the server was told it: application/json or text/plain; after its content if left out.
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
        /// What `ingest --openings` kept, or rows of the API's answer, one a line: with it dropped values are compared too.
        #[arg(long, value_name = "FILE")]
        openings: Option<PathBuf>,
        /// A folder with the components, instead of asking the server for them.
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// List the plugins (role integrator).
    List {
        #[command(flatten)]
        connection: super::connect::Connection,
    },
}

/// What a plugin does in a pipeline.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum KindName {
    /// Makes OCSF events of raw records.
    Normalizer,
    /// Says what of an event must not be kept.
    Redactor,
    /// Chooses the retention class.
    Retention,
}

impl KindName {
    fn word(self) -> &'static str {
        match self {
            Self::Normalizer => "normalizer",
            Self::Redactor => "redactor",
            Self::Retention => "retention",
        }
    }
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::New { name, kind, lang, dir } => {
            let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
            scaffold::scaffold(&dir, &name, kind.word(), lang)?;
            let place = dir.display();
            println!("{place} is a {} in {}. Go on with:\n", kind.word(), lang.folder());
            println!("  cd {place}\n  cairnlog plugin build\n  cairnlog plugin test\n");
            println!(
                "Then change the source and samples/, look at what comes out, and accept it: cairnlog plugin test --bless"
            );
            Ok(Exit::Good)
        }
        Command::Build { dir, output } => {
            off_thread(move || {
                let project = Project::open(&dir)?;
                let inspected = build::build(&project)?;
                output.one(&mut std::io::stdout(), &inspected)?;
                eprintln!("The component is {}.", project.component().display());
                Ok(Exit::Good)
            })
            .await
        }
        Command::Test { dir, bless } => {
            off_thread(move || {
                let (project, runner) = built(&dir)?;
                golden::test(&project, &runner, bless)
            })
            .await
        }
        Command::Bench { dir } => {
            off_thread(move || {
                let (project, runner) = built(&dir)?;
                bench::bench(&project, &runner)
            })
            .await
        }
        Command::Componentize(args) => {
            off_thread(move || {
                componentize::make(&args)?;
                eprintln!("The component is {}.", args.out.display());
                Ok(Exit::Good)
            })
            .await
        }
        Command::Inspect { file, stub_wasi, output } => {
            let unused = if stub_wasi { UnusedWasi::Stub } else { UnusedWasi::Refuse };
            off_thread(move || {
                output.one(&mut std::io::stdout(), &inspect::read(&file, unused)?)?;
                Ok(Exit::Good)
            })
            .await
        }
        Command::Push(mut args) => {
            args.files = off_thread(move || push::components(args.files)).await?;
            push::push(args).await?;
            Ok(Exit::Good)
        }
        Command::Keygen { name, out } => sign::keygen(&name, &out).map(|()| Exit::Good),
        Command::Sign { files, key } => {
            off_thread(move || {
                sign::sign(&push::components(files)?, &key)?;
                Ok(Exit::Good)
            })
            .await
        }
        Command::Pull(args) => {
            let (place, digest) = pull::pull(args).await?;
            println!("{} is {digest}", place.display());
            Ok(Exit::Good)
        }
        Command::Replay { index, raw, content_type, openings, plugins, connection } => {
            let (client, log) = (connection.connection.client()?, connection.log().await?);
            let wanted = replay::Wanted { index, raw, content_type, plugins, openings };
            replay::replay(&client, &log, wanted, connection.output()).await
        }
        Command::List { connection } => {
            let client = connection.client()?;
            let plugins = all(async |page| client.plugins(page).await).await?;
            connection.output.list(&mut std::io::stdout(), &plugins)?;
            Ok(Exit::Good)
        }
    }
}

/// The project in `dir` with its component as it was built last.
fn built(dir: &std::path::Path) -> Result<(Project, Runner), Failure> {
    let project = Project::open(dir)?;
    let component = project.component();
    if !component.is_file() {
        return Err(Failure::usage(format!(
            "there is no {}: `cairnlog plugin build` makes it",
            component.display()
        )));
    }
    if let Some(newer) = project.newer_than(&component) {
        eprintln!(
            "note: {} is newer than {}: `cairnlog plugin build`?",
            newer.display(),
            component.display()
        );
    }
    let inspected: Inspected = inspect::read(&component, UnusedWasi::Refuse)?;
    if inspected.plugin.version != project.metadata.version {
        return Err(Failure::usage(format!(
            "{} is of version {}, the project of {}: build it",
            component.display(),
            inspected.plugin.version,
            project.metadata.version
        )));
    }
    let runner = Runner::new(&project, &inspected)?;
    Ok((project, runner))
}

/// Compiling and running plugins blocks.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|gone| Failure::cannot_tell(gone.to_string()))?
}

impl Shown for Plugin {
    const COLUMNS: &'static [&'static str] = &["plugin", "kinds", "summary", "signed by", "digest"];

    fn cells(&self) -> Vec<String> {
        let summary = self.summary.clone().unwrap_or_default();
        vec![
            format!("{}@{}", self.name, self.version),
            self.kinds.join(" "),
            summary,
            push::signed_by(self),
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
            "size": self.size,
            "compile_ms": self.compile_ms,
            "core_instances": self.core_instances,
            "memories": self.memories,
            "memory_bytes": self.memory_bytes,
            "tables": self.tables,
            "signed_by": self.signed_by,
            "signature": self.signature,
        })
    }
}
