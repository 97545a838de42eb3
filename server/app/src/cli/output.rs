//! What commands print: a table for people, JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// Something that commands print.
pub(crate) trait Shown {
    /// The heads of its columns.
    const COLUMNS: &'static [&'static str];
    /// Its cells, one a column.
    fn cells(&self) -> Vec<String>;
    /// All of it.
    fn json(&self) -> Value;
}

impl Output {
    /// Prints one thing.
    pub(crate) fn one<T: Shown>(self, out: &mut impl Write, item: &T) -> io::Result<()> {
        match self {
            Self::Table => {
                let pairs = T::COLUMNS.iter().zip(item.cells()).filter(|(_, cell)| !cell.is_empty());
                let mut table = plain();
                table.add_rows(pairs.map(|(name, cell)| vec![(*name).to_owned(), visible(&cell)]));
                write_table(out, &table)
            }
            Self::Json => writeln!(out, "{:#}", item.json()),
            Self::Ndjson => writeln!(out, "{}", item.json()),
        }
    }

    /// Prints a list.
    pub(crate) fn list<T: Shown>(self, out: &mut impl Write, items: &[T]) -> io::Result<()> {
        match self {
            Self::Table => rows(out, T::COLUMNS, items.iter().map(Shown::cells)),
            Self::Json => writeln!(out, "{:#}", Value::Array(items.iter().map(Shown::json).collect())),
            Self::Ndjson => items.iter().try_for_each(|item| writeln!(out, "{}", item.json())),
        }
    }
}

/// Prints a table with a head.
pub(crate) fn rows(
    out: &mut impl Write,
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = plain();
    table.set_header(head.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    table.add_rows(rows.into_iter().map(|cells| cells.iter().map(|cell| visible(cell)).collect::<Vec<_>>()));
    write_table(out, &table)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn write_table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    table.lines().try_for_each(|line| {
        writeln!(out, "{}", line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()))
    })
}

/// The text without control characters, which could steer the reader's terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Pretty JSON for a terminal: JSON escapes only a part of the control characters itself.
pub(crate) fn visible_json(value: &Value) -> String {
    format!("{value:#}").chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// At most so many characters, the rest left out visibly.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Pair(u64, &'static str);

    impl Shown for Pair {
        const COLUMNS: &'static [&'static str] = &["number", "name"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_string(), self.1.to_owned()]
        }

        fn json(&self) -> Value {
            serde_json::json!({"number": self.0, "name": self.1})
        }
    }

    fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const PAIRS: [Pair; 2] = [Pair(1, "one"), Pair(20, "")];

    #[test]
    fn a_table_has_a_head_and_aligned_columns() {
        let text = printed(|out| Output::Table.list(out, &PAIRS));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("NUMBER") && lines[1].starts_with("1 "), "{text}");
        assert_eq!(lines[0].find("NAME"), lines[1].find("one"), "{text}");
        assert!(lines.iter().all(|line| *line == line.trim_end()));
    }

    #[test]
    fn one_thing_is_a_line_a_column_that_has_something() {
        let text = printed(|out| Output::Table.one(out, &PAIRS[0]));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!printed(|out| Output::Table.one(out, &PAIRS[1])).contains("name"));
    }

    #[test]
    fn json_is_one_document_and_ndjson_one_a_line() {
        let text = printed(|out| Output::Json.list(out, &PAIRS));
        assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap().len(), 2);
        let text = printed(|out| Output::Ndjson.list(out, &PAIRS));
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap().is_object()));
        assert_eq!(text.lines().count(), 2);
        assert_eq!(printed(|out| Output::Json.list::<Pair>(out, &[])).trim(), "[]");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let text = printed(|out| Output::Table.one(out, &Pair(1, "a\u{1b}[31m\u{9b}b\nc")));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        let value = Value::from("a\u{1b}\u{9b}");
        assert!(!visible_json(&value).chars().any(char::is_control));
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
