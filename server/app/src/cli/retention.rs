//! `retention`, `sweep` (role compliance).

use cairnlog_client::{ClassDue, Log, Sweep, Swept};
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::{Output, Shown, rows};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  cairnlog retention --output json")]
pub(super) struct RetentionArgs {
    #[command(flatten)]
    connection: LogConnection,
}

const SWEEP_EXAMPLES: &str = "\
A server sweeps its logs by itself, every quarter of an hour. What is due goes by the server's clock and for good; what is
held stays.

Examples:
  cairnlog sweep --dry-run
  cairnlog sweep --dry-run --at 2027-06-01T00:00:00Z
  cairnlog sweep";

#[derive(clap::Args)]
#[command(after_help = SWEEP_EXAMPLES)]
pub(super) struct SweepArgs {
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    /// As if it were then, RFC 3339.
    #[arg(long, value_name = "TIME", requires = "dry_run")]
    at: Option<String>,
    #[command(flatten)]
    connection: LogConnection,
}

pub(super) async fn retention(args: RetentionArgs) -> Result<Exit, Failure> {
    let log = args.connection.log().await?;
    let classes = all(async |page| log.retention(page).await).await?;
    args.connection.output().list(&mut std::io::stdout(), &classes)?;
    Ok(Exit::Good)
}

pub(super) async fn sweep(args: SweepArgs) -> Result<Exit, Failure> {
    let SweepArgs { dry_run, at, connection } = args;
    let log = connection.log().await?;
    let swept = if dry_run { log.sweep_dry(at.as_deref()).await? } else { sweep_all(&log).await? };
    let mut stdout = std::io::stdout();
    match connection.output() {
        Output::Table => rows(&mut stdout, Swept::COLUMNS, classes_and_total(&swept))?,
        output => output.one(&mut stdout, &swept)?,
    }
    if swept.complete {
        return Ok(Exit::Good);
    }
    eprintln!(
        "There is more than could be looked at in the time of a request; the server's own sweeps go on."
    );
    Ok(Exit::Incomplete)
}

/// Sweeps until all that is due is gone, as long as that comes nearer.
async fn sweep_all(log: &Log) -> Result<Sweep, Failure> {
    let mut all = log.sweep().await?;
    while !all.complete {
        eprintln!("{} records are erased so far …", all.erased);
        let next = log.sweep().await?;
        if next.erased == 0 && !next.complete {
            break;
        }
        all = and_then(all, next);
    }
    Ok(all)
}

/// What went before and what went then. What is held was counted by both.
fn and_then(before: Sweep, mut then: Sweep) -> Sweep {
    for class in before.by_class {
        let erased = class.erased;
        match then.by_class.iter_mut().find(|then| then.class == class.class) {
            Some(then) => {
                then.erased += erased;
                then.due += erased;
            }
            None => then.by_class.push(Swept { due: erased, held: 0, ..class }),
        }
    }
    Sweep { due: then.due + before.erased, erased: then.erased + before.erased, ..then }
}

fn classes_and_total(swept: &Sweep) -> Vec<Vec<String>> {
    let total = ["all".to_owned()].into_iter().chain(swept.cells()).collect();
    swept.by_class.iter().map(Shown::cells).chain([total]).collect()
}

impl Shown for ClassDue {
    const COLUMNS: &'static [&'static str] = &["class", "basis", "records", "next due", "overdue", "held"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.class.clone(),
            self.basis.clone(),
            self.records.to_string(),
            self.next_due.clone().unwrap_or_else(|| "-".to_owned()),
            self.overdue.to_string(),
            self.held.to_string(),
        ]
    }

    fn json(&self) -> Value {
        let mut due = json!({
            "class": self.class,
            "basis": self.basis,
            "records": self.records,
            "overdue": self.overdue,
            "held": self.held,
        });
        if let Some(day) = &self.next_due {
            due["next_due"] = day.clone().into();
        }
        due
    }
}

impl Shown for Sweep {
    const COLUMNS: &'static [&'static str] = &["due", "erased", "held"];

    fn cells(&self) -> Vec<String> {
        [self.due, self.erased, self.held].map(|count| count.to_string()).to_vec()
    }

    fn json(&self) -> Value {
        json!({
            "due": self.due,
            "erased": self.erased,
            "held": self.held,
            "by_class": self.by_class.iter().map(Shown::json).collect::<Vec<_>>(),
            "complete": self.complete,
        })
    }
}

impl Shown for Swept {
    const COLUMNS: &'static [&'static str] = &["class", "due", "erased", "held"];

    fn cells(&self) -> Vec<String> {
        let counts = [self.due, self.erased, self.held].map(|count| count.to_string());
        [self.class.clone()].into_iter().chain(counts).collect()
    }

    fn json(&self) -> Value {
        json!({"class": self.class, "due": self.due, "erased": self.erased, "held": self.held})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweeps_table_ends_with_all_classes_together() {
        let class = |class: &str, due| Swept { class: class.to_owned(), due, erased: due - 1, held: 1 };
        let by_class = vec![class("a", 3), class("quarantine", 2)];
        let sweep = Sweep { due: 5, erased: 3, held: 2, by_class, complete: true };
        let rows = classes_and_total(&sweep);
        assert_eq!(rows, [["a", "3", "2", "1"], ["quarantine", "2", "1", "1"], ["all", "5", "3", "2"]]);
        assert!(rows.iter().all(|row| row.len() == Swept::COLUMNS.len()));
    }

    #[test]
    fn a_sweep_that_was_gone_on_with_counts_what_is_held_once() {
        let of =
            |class: &str, erased, held| Swept { class: class.to_owned(), due: erased + held, erased, held };
        let sweep = |classes: Vec<Swept>, complete| {
            let sum = |of: fn(&Swept) -> u64| classes.iter().map(of).sum();
            let (due, erased, held) =
                (sum(|swept| swept.due), sum(|swept| swept.erased), sum(|swept| swept.held));
            Sweep { due, erased, held, by_class: classes, complete }
        };
        let (first, second) = (vec![of("a", 10, 2), of("b", 3, 0)], vec![of("a", 5, 2), of("c", 1, 1)]);
        let all = vec![of("a", 15, 2), of("c", 1, 1), of("b", 3, 0)];
        assert_eq!(and_then(sweep(first, false), sweep(second, true)), sweep(all, true));
    }
}
