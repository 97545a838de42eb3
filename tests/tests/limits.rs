//! `docs/limits.md` names every constant of every `limits.rs`, and gives its value.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the constants of a section of the page stand, and the crate's name in the paths of others.
const SECTIONS: [(&str, &str, &[&str]); 9] = [
    ("sdk/verify", "cairnlog_verify", &["limits", "path", "event", "value", "field", "name"]),
    ("server/store", "cairnlog_store", &["limits", "rocks/tuning"]),
    ("server/tlog", "cairnlog_tlog", &["limits"]),
    ("server/host", "cairnlog_host", &["limits"]),
    ("server/ledger", "cairnlog_ledger", &["limits"]),
    ("server/app", "crate", &["limits"]),
    ("server/app/src/cli", "cli", &["limits"]),
    ("sdk/client", "cairnlog_client", &["limits"]),
    ("sdk/plugin", "cairnlog_plugin", &["limits"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The page's tables: section -> constant -> value as written.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let page = std::fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = None;
    for line in page.lines() {
        if let Some(head) = line.strip_prefix("## ") {
            section = head.rsplit_once(": `").map(|(_, name)| name.trim_end_matches('`').to_owned());
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let (Some(section), [name, value, _]) = (&section, cells.as_slice())
            && let Some(name) = name.strip_prefix('`')
        {
            let name = name.trim_end_matches('`').to_owned();
            sections.entry(section.clone()).or_default().insert(name, (*value).to_owned());
        }
    }
    sections
}

/// Name and expression of the numeric, textual and temporal constants of a source file, its tests left out.
fn constants(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let statements = code.split(';').filter_map(|statement| {
        let (_, rest) = statement.rsplit_once("const ").filter(|(before, _)| !before.ends_with('*'))?;
        let (name, rest) = rest.split_once(": ")?;
        let (kind, value) = rest.split_once(" = ")?;
        let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        (is_name && !kind.contains("[u8")).then(|| (name.to_owned(), value.trim().to_owned()))
    });
    statements.collect()
}

/// The value of an expression as the limits write them: sums, products, shifts, quotients, names, waits.
fn value(expression: &str, scope: &str, known: &BTreeMap<(String, String), u64>) -> Option<u64> {
    let text = expression.trim();
    let binary = |operator: &str, apply: fn(u64, u64) -> Option<u64>| {
        let at = outside_parentheses(text, operator)?;
        let (left, right) = (&text[..at], &text[at + operator.len()..]);
        apply(value(left, scope, known)?, value(right, scope, known)?)
    };
    binary(" << ", |a, b| a.checked_shl(u32::try_from(b).ok()?))
        .or_else(|| binary(" + ", u64::checked_add))
        .or_else(|| binary(" * ", u64::checked_mul))
        .or_else(|| binary(" / ", u64::checked_div))
        .or_else(|| value(text.strip_prefix('(')?.strip_suffix(')')?, scope, known))
        .or_else(|| wait(text))
        .or_else(|| text.replace('_', "").trim_end_matches(".0").parse().ok())
        .or_else(|| {
            let (scope, name) = text.rsplit_once("::limits::").unwrap_or((scope, text));
            known.get(&(scope.to_owned(), name.to_owned())).copied()
        })
}

fn outside_parentheses(text: &str, operator: &str) -> Option<usize> {
    let outside = |at: &usize| text[..*at].matches('(').count() == text[..*at].matches(')').count();
    text.match_indices(operator).map(|(at, _)| at).find(outside)
}

/// A wait, in milliseconds.
fn wait(text: &str) -> Option<u64> {
    let (unit, count) = text.strip_prefix("Duration::from_")?.strip_suffix(')')?.split_once('(')?;
    let unit = match unit {
        "millis" => 1,
        "secs" => 1_000,
        "mins" => 60_000,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit)
}

/// The number that the page writes as `65,536`, `16 MiB`, `10 s`.
fn read(written: &str) -> Option<u64> {
    let (count, unit) = written.split_once(' ').unwrap_or((written, ""));
    let unit = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    count.replace(',', "").parse::<u64>().ok()?.checked_mul(unit)
}

#[test]
fn the_page_of_limits_has_every_constant_and_its_value() {
    let documented = documented();
    let mut known = BTreeMap::new();
    for (section, scope, modules) in SECTIONS {
        let mut page = documented[section].clone();
        let folder =
            if section.ends_with("cli") { root().join(section) } else { root().join(section).join("src") };
        for module in modules {
            for (name, expression) in constants(&folder.join(format!("{module}.rs"))) {
                let wanted = value(&expression, scope, &known);
                let Some(written) = page.remove(&name) else {
                    assert!(*module != "limits", "{section}: {name} is not on the page");
                    continue;
                };
                if wanted.is_some() {
                    assert_eq!(read(&written), wanted, "{section}: {name} = {expression}");
                } else {
                    let plain = expression.trim_matches('"').replace("..=", " to ");
                    assert_eq!(written, plain, "{section}: {name}");
                }
                known.extend(wanted.map(|wanted| ((scope.to_owned(), name), wanted)));
            }
        }
        assert!(page.is_empty(), "{section} has no constants {:?}", page.keys());
    }
}
