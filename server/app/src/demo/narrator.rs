//! Says what happens: numbered steps in plain words, colour only where a person looks.

use std::io::{self, IsTerminal as _, Stdout, Write as _};

use crate::cli::output::{rows, visible};

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const GREEN: &str = "\u{1b}[32m";
const RESET: &str = "\u{1b}[0m";

/// What stands before every line of a step.
const INDENT: &str = "   ";

pub(super) struct Narrator {
    out: Stdout,
    colour: bool,
    step: u32,
}

impl Narrator {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        // https://no-color.org
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out, colour, step: 0 }
    }

    pub(super) fn opening(&mut self) -> io::Result<()> {
        let title =
            self.styled(BOLD, "Cairnlog: publicly verifiable, privately readable, lawfully erasable.");
        writeln!(self.out, "{title}")?;
        writeln!(
            self.out,
            "Access logs go in raw. Plugins normalize each record, take away what must not be kept and decide how\n\
             long the rest lives. The log keeps the content sealed and commits to it in a tree that anyone can check."
        )
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.step += 1;
        let title = self.styled(BOLD, &format!("{}. {title}", self.step));
        writeln!(self.out, "\n{title}")
    }

    /// Says something; may be several lines.
    pub(super) fn say(&mut self, words: &str) -> io::Result<()> {
        words.lines().try_for_each(|line| writeln!(self.out, "{INDENT}{}", visible(line)))
    }

    /// Says that a check succeeded.
    pub(super) fn good(&mut self, words: &str) -> io::Result<()> {
        let mark = self.styled(GREEN, "ok");
        writeln!(self.out, "{INDENT}{mark}  {}", visible(words))
    }

    /// Shows something as it is, such as a signed note.
    pub(super) fn quote(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| {
            let line = self.styled(DIM, &format!("{INDENT}  {}", visible(line)));
            writeln!(self.out, "{}", line.trim_end())
        })
    }

    pub(super) fn table(
        &mut self,
        head: &[&str],
        cells: impl IntoIterator<Item = Vec<String>>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        rows(&mut text, head, cells)?;
        String::from_utf8_lossy(&text).lines().try_for_each(|line| writeln!(self.out, "{INDENT}  {line}"))
    }

    /// Ends the steps.
    pub(super) fn end(&mut self, words: &str) -> io::Result<()> {
        let words = self.styled(BOLD, words);
        writeln!(self.out, "\n{words}")
    }

    /// Shows commands, ready to be copied.
    pub(super) fn commands(&mut self, lines: &[String]) -> io::Result<()> {
        writeln!(self.out)?;
        lines.iter().try_for_each(|line| {
            let line = if line.starts_with('#') { self.styled(DIM, line) } else { line.clone() };
            writeln!(self.out, "{line}")
        })
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }
}
