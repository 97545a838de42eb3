//! How a command ends: a stable exit code, and at most two lines that say what happened and what to do.

use std::io;
use std::process::ExitCode;

use cairnlog_client::{Error, TransportKind, VerificationError};

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Good,
    /// Something was tampered with, or the server refused.
    Refused,
    /// Something is missing, or only a part was done.
    Incomplete,
    /// Nothing can be said: network, unreadable, locked, another version.
    CannotTell,
    /// The command line makes no sense.
    Usage,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Refused => 1,
            Self::Incomplete => 2,
            Self::CannotTell => 3,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that did not come to its end.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    words: String,
    hint: Option<&'static str>,
}

impl Failure {
    fn new(exit: Exit, words: impl Into<String>) -> Self {
        Self { exit, words: words.into(), hint: None }
    }

    pub(crate) fn refused(words: impl Into<String>) -> Self {
        Self::new(Exit::Refused, words)
    }

    pub(crate) fn incomplete(words: impl Into<String>) -> Self {
        Self::new(Exit::Incomplete, words)
    }

    pub(crate) fn cannot_tell(words: impl Into<String>) -> Self {
        Self::new(Exit::CannotTell, words)
    }

    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self::new(Exit::Usage, words)
    }

    /// A file that can't be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::cannot_tell(format!("{}: {error}", path.display()))
    }

    /// What happened, in one line.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Puts what was being done before what happened.
    pub(crate) fn during(mut self, what: impl std::fmt::Display) -> Self {
        self.words = format!("{what}: {}", self.words);
        self
    }

    /// Says it on stderr; nothing where there is nothing to say.
    pub(crate) fn report(&self) {
        if self.words.is_empty() {
            return;
        }
        eprintln!("cairnlog: {}", one_line(&self.words));
        if let Some(hint) = self.hint {
            eprintln!("          {hint}");
        }
    }
}

/// Control characters could steer the reader's terminal, and line ends make one message look like two.
fn one_line(words: &str) -> String {
    words.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Problem(problem) if problem.status < 500 && problem.status != 429 => Exit::Refused,
            Error::Verification(_) => Exit::Refused,
            Error::Missing { .. } | Error::Waits { .. } => Exit::Incomplete,
            Error::Input(_) => Exit::Usage,
            _ => Exit::CannotTell,
        };
        let hint = match (&error, error.status()) {
            (_, Some(401)) => Some("--token or CAIRNLOG_TOKEN says which token"),
            (Error::Waits { .. }, _) => {
                Some("another token of the role compliance does so with `cairnlog change approve ID`")
            }
            (Error::Transport { kind: TransportKind::Connect, .. }, _) => Some(
                "the address is the one given, or of --server or CAIRNLOG_SERVER; `cairnlog serve` starts a server",
            ),
            _ => None,
        };
        let until = match &error {
            Error::Problem(problem) => problem.member("until"),
            _ => None,
        };
        let words = match &error {
            // Its detail has them all already, and those that are alike together.
            Error::Problem(problem) if problem.slug() == "invalid-plugin" => problem.detail.clone(),
            error => error.to_string(),
        };
        let words = until.map_or_else(|| words.clone(), |until| format!("{words}; it ends {until}"));
        Self { exit, words, hint }
    }
}

impl From<VerificationError> for Failure {
    fn from(error: VerificationError) -> Self {
        Self::refused(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// Of the command's own output: a reader that has enough (`| head`) is no failure.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Good, "");
        }
        Self::cannot_tell(format!("the output can't be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use cairnlog_client::Problem;

    use super::*;

    fn problem(status: u16, slug: &str) -> Error {
        Error::Problem(Box::new(Problem {
            kind: format!("/problems/{slug}"),
            title: String::new(),
            status,
            detail: "there is no log".to_owned(),
            request_id: Some("0011223344556677".to_owned()),
            errors: Vec::new(),
            more: serde_json::Map::new(),
            retry_after: None,
        }))
    }

    #[test]
    fn codes_are_stable() {
        let all = [Exit::Good, Exit::Refused, Exit::Incomplete, Exit::CannotTell, Exit::Usage];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 64]);
    }

    #[test]
    fn what_the_server_says_decides() {
        let exits = [
            (problem(404, "not-found"), Exit::Refused),
            (problem(422, "rejected"), Exit::Refused),
            (problem(429, "queue-full"), Exit::CannotTell),
            (problem(503, "read-only"), Exit::CannotTell),
            (Error::Unexpected { what: "x", status: 302, retry_after: None }, Exit::CannotTell),
            (Error::Missing { resource: "tile/0/000".to_owned() }, Exit::Incomplete),
            (Error::Verification(VerificationError::OtherLog), Exit::Refused),
            (Error::Input("a token".to_owned()), Exit::Usage),
        ];
        for (error, exit) in exits {
            let words = error.to_string();
            assert_eq!(Failure::from(error).exit, exit, "{words}");
        }
    }

    #[test]
    fn a_problem_keeps_its_request_id_and_gets_a_hint() {
        let failure = Failure::from(problem(401, "unauthenticated"));
        assert!(failure.words.contains("0011223344556677"), "{}", failure.words);
        assert!(failure.hint.is_some_and(|hint| hint.contains("CAIRNLOG_TOKEN")));
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit, Exit::Good);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::CannotTell);
    }

    #[test]
    fn words_stay_on_their_line() {
        assert_eq!(one_line("a\nb\u{1b}[2Jc\n"), "a b [2Jc");
    }
}
