//! Access log lines by the thousand: small, without ids, each its own record.

use std::fmt::Write as _;

/// `lines` lines from number `first` on; the number stands in the path.
#[must_use]
pub fn lines(first: u64, lines: u64) -> String {
    let numbers = first..first + lines;
    numbers.fold(String::new(), |mut text, number| {
        let (minute, second) = (number / 60 % 60, number % 60);
        let _ = writeln!(
            text,
            "192.0.2.{} - user{} [09/Mar/2026:12:{minute:02}:{second:02} +0000] \"GET /page/{number} HTTP/1.1\" 200 {number}",
            number % 250 + 1,
            number % 17,
        );
        text
    })
}
