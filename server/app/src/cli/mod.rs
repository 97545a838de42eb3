//! The command line: parses, runs one command, and ends with a stable exit code.
//!
//! Only `serve`, `demo`, `fsck`, `backup`, `restore` and `key rotate` open a data directory; every other command is a client over HTTP, or reads files.

mod archives;
mod backup;
pub(crate) mod batch;
mod changes;
mod classes;
mod connect;
mod disclosures;
mod erasures;
mod exit;
mod filters;
mod fsck;
mod holds;
mod ingest;
mod keys;
mod limits;
mod logs;
mod monitor;
mod note_keys;
mod openings;
pub(crate) mod output;
mod plugins;
mod proofs;
mod quarantine;
pub(crate) mod records;
mod retention;
mod rollout;
mod serve;
mod sources;
mod tail;
mod tokens;
mod verify;
mod witness;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use exit::{Exit, Failure};
pub(crate) use serve::{log_to_stderr, stop_signal};

use crate::demo;

const EXAMPLES: &str = "\
First steps:
  cairnlog demo                                 the main job on sample logs, told step by step
  cairnlog serve --data data/main               a server; prints its address and the first token: an admin's
  export CAIRNLOG_TOKEN=cl_...                  that token, which makes logs and other tokens, and no more
  cairnlog log create hr                        a log on it
  cairnlog token create setup --role integrator --role writer --role auditor
  export CAIRNLOG_TOKEN=cl_...                  the new one
  cairnlog plugin push target/plugins/*.wasm    plugins for it
  cairnlog source set aws --normalizer aws-cloudtrail --retention retention-schedule=keep.json
  cairnlog ingest --source aws trail.ndjson     records into it
  cairnlog verify log http://127.0.0.1:8080/logs/hr --key VKEY

Exit codes: 0 good, 1 tampered or refused, 2 incomplete, 3 cannot tell (network, unreadable, locked, wrong version),
64 wrong usage.";

/// A transparency log for audit-ready access logs: publicly verifiable, privately readable, lawfully erasable.
#[derive(Parser)]
#[command(name = "cairnlog", version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server on a data directory.
    Serve(serve::Args),
    /// Show the main job on the sample logs, told step by step, then stay up to be tried.
    Demo(demo::Args),
    /// Create and list logs, rotate their keys, freeze them.
    #[command(subcommand)]
    Log(logs::Command),
    /// Rotate and make the keys that wrap a log's keyring.
    #[command(subcommand)]
    Key(keys::Command),
    /// Create, list and delete tokens.
    #[command(subcommand)]
    Token(tokens::Command),
    /// Write, test, sign, upload and replay plugins.
    #[command(subcommand)]
    Plugin(plugins::Command),
    /// Bind sources to pipelines, try others beside them, roll back, list.
    #[command(subcommand)]
    Source(sources::Command),
    /// List, try again and give up raw records that no pipeline could process.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Set and list retention classes.
    #[command(subcommand)]
    Class(classes::Command),
    /// List, approve and withdraw changes that wait for a second person.
    #[command(subcommand)]
    Change(changes::Command),
    /// Show what is kept, class by class, and what is due.
    Retention(retention::RetentionArgs),
    /// Erase what is due, or say what would be.
    Sweep(retention::SweepArgs),
    /// Set, list and release legal holds.
    #[command(subcommand)]
    Hold(holds::Command),
    /// Erase one record, or all that name a person.
    Erase(erasures::Args),
    /// Send raw records from files or standard input to a source.
    Ingest(ingest::Args),
    /// Search records.
    Search(records::SearchArgs),
    /// Show one entry, opened.
    Show(records::ShowArgs),
    /// Show entries as they are published.
    Tail(tail::Args),
    /// Fetch the receipt of an entry: a proof that needs no server to be checked.
    Prove(proofs::ProveArgs),
    /// Disclose fields of an entry: a document that proves them to who can't read records.
    Disclose(disclosures::DiscloseArgs),
    /// Check receipts, disclosures and whole logs against a log's public key.
    #[command(subcommand)]
    Verify(verify::Command),
    /// Recompute everything that a data directory holds, or a log serves, against the signed tree heads.
    Fsck(fsck::Args),
    /// Copy the store, the keyrings apart from it, and, if asked, the secrets of a server.
    Backup(backup::BackupArgs),
    /// Put copies of a store, of keyrings and of secrets back.
    Restore(backup::RestoreArgs),
    /// Follow a log and check each new tree head against the last.
    Monitor(monitor::Args),
    /// Make keys for archives of what sweeps erase, and open archives.
    #[command(subcommand)]
    Archive(archives::Command),
    /// Be a C2SP witness for other logs.
    #[command(subcommand)]
    Witness(witness::Command),
    /// What a server has its plugins compiled by: a component on standard input, machine code on standard output.
    #[command(name = COMPILE_COMMAND, hide = true)]
    CompilePlugin,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or write those of all commands into a directory.
    Man {
        /// The directory; pages are named cairnlog.1, cairnlog-serve.1 and so on.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The command by which a server runs this program to compile plugins.
pub(crate) const COMPILE_COMMAND: &str = "compile-plugin";

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => {
            // Help and version are asked for and go to stdout; if nobody reads it, nothing is lost.
            let _ = refusal.print();
            let exit = if refusal.use_stderr() { Exit::Usage } else { Exit::Good };
            return exit.into();
        }
    };
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(dispatch(cli.command)),
        Err(error) => Err(Failure::cannot_tell(format!("the async runtime can't start: {error}"))),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit.into()
        }
    }
}

async fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Log(command) => logs::run(command).await,
        Command::Key(command) => keys::run(command).await,
        Command::Token(command) => tokens::run(command).await,
        Command::Plugin(command) => plugins::run(command).await,
        Command::Source(command) => sources::run(command).await,
        Command::Quarantine(command) => quarantine::run(command).await,
        Command::Class(command) => classes::run(command).await,
        Command::Change(command) => changes::run(command).await,
        Command::Retention(args) => retention::retention(args).await,
        Command::Sweep(args) => retention::sweep(args).await,
        Command::Hold(command) => holds::run(command).await,
        Command::Erase(args) => erasures::run(args).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Search(args) => records::search(args).await,
        Command::Show(args) => records::show(args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Prove(args) => proofs::prove(args).await,
        Command::Disclose(args) => disclosures::disclose(args).await,
        Command::Verify(command) => verify::run(command).await,
        Command::Fsck(args) => fsck::run(args).await,
        Command::Backup(args) => backup::run_backup(args).await,
        Command::Restore(args) => backup::run_restore(args).await,
        Command::Monitor(args) => monitor::run(args).await,
        Command::Archive(command) => archives::run(command),
        Command::Witness(command) => witness::run(command).await,
        Command::CompilePlugin => {
            cairnlog_host::compile_child()?;
            Ok(Exit::Good)
        }
        Command::Completions { shell } => {
            // clap_complete panics where it can't write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cairnlog", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(Exit::Good)
        }
        Command::Man { out: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            std::io::stdout().write_all(&page)?;
            Ok(Exit::Good)
        }
        Command::Man { out: Some(dir) } => {
            let written =
                std::fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
            written.map_err(|error| Failure::file(&dir, &error))?;
            Ok(Exit::Good)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The words of a shell line, up to where it is piped or redirected.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for char in line.chars() {
            match (char, quote) {
                ('\'' | '"', None) => (quote, word) = (Some(char), Some(word.unwrap_or_default())),
                (_, Some(open)) if char == open => quote = None,
                ('|' | '>' | '<' | ';' | '#' | ')', None) => break,
                (_, None) if char.is_whitespace() => words.extend(word.take()),
                _ => word.get_or_insert_default().push(char),
            }
        }
        words.extend(word);
        words
    }

    /// Every command that a document or a help text shows is one that the command line takes.
    #[test]
    fn what_is_shown_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let pages = ["README.md", "docs/cli.md", "docs/api.md", "docs/monitoring.md", "docs/plugins.md"];
        let pages = pages.map(|page| std::fs::read_to_string(root.join(page)).unwrap());
        let mut texts = pages.to_vec();
        let mut commands = vec![Cli::command()];
        while let Some(command) = commands.pop() {
            texts.extend(command.get_after_help().map(ToString::to_string));
            commands.extend(command.get_subcommands().cloned());
        }
        let mut typed = 0;
        for text in texts {
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                let mut line = line.trim().to_owned();
                while let Some(begun) = line.strip_suffix('\\') {
                    line = format!("{begun}{}", lines.next().unwrap_or_default().trim());
                }
                let line = line
                    .split_once("| cairnlog ")
                    .map_or(line.strip_prefix("cairnlog "), |(_, rest)| Some(rest));
                // Behind a gap it says what it is for.
                let Some(line) = line.and_then(|line| line.split("   ").next()) else { continue };
                // A synopsis, or one that leaves something out.
                if line.contains(['[', '…']) || line.contains("...") {
                    continue;
                }
                let taken = Cli::try_parse_from(["cairnlog".to_owned()].into_iter().chain(words(line)));
                if let Err(refusal) = taken {
                    assert!(!refusal.use_stderr(), "{line}: {refusal}");
                }
                typed += 1;
            }
        }
        assert!(typed > 60, "{typed}");
    }

    #[test]
    fn a_token_of_the_environment_is_not_shown_in_help() {
        let mut command = Cli::command();
        let search = command.find_subcommand_mut("search").unwrap();
        let token = search.get_arguments().find(|arg| arg.get_id() == "token").unwrap();
        assert!(token.is_hide_env_values_set());
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for line in [
            "cairnlog",
            "cairnlog ingest",
            "cairnlog ingest --source s --batch 0 f",
            "cairnlog ingest --source s --batch 10001 f",
            "cairnlog search --order sideways",
            "cairnlog show x",
            "cairnlog sweep --at 2027-01-01T00:00:00Z",
            "cairnlog hold set --matter m",
            "cairnlog hold release",
            "cairnlog erase 42",
            "cairnlog erase --reason r",
            "cairnlog erase 42 --subject s --reason r",
            "cairnlog erase x --reason r",
            "cairnlog erase approve",
            "cairnlog erase 42 --reason r list",
            "cairnlog verify log http://h/logs/l",
            "cairnlog token create ci",
            "cairnlog disclose 42 -o f",
            "cairnlog disclose 42 --field time",
            "cairnlog verify disclosure f",
            "cairnlog fsck",
            "cairnlog fsck http://h/logs/l",
            "cairnlog fsck --data d http://h/logs/l --key k",
            "cairnlog monitor http://h/logs/l --key k",
            "cairnlog monitor http://h/logs/l --key k --state f --interval 0",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
