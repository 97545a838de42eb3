//! What is kept, by class, and what is due when.

use std::collections::BTreeMap;

use cairnlog_store::secrets::day_of;
use cairnlog_store::{Family, Scan, layout};

use crate::class::Class;
use crate::error::LedgerError;
use crate::index::{Field, Term, Tokens, read_indices, read_runs};
use crate::limits::{EXPIRY_ROWS_READ, EXPIRY_ROWS_TRIED, SWEEP_ASKED_MAX};
use crate::log::Log;

/// What is kept by one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassDue {
    /// The class's name.
    pub class: String,
    /// Its rules now. Records are kept by those of when they came.
    pub rules: Class,
    /// How many records are kept by it.
    pub records: u64,
    /// The day on which the next of them is due, in days since 1970; none if none is, or not among those that are due
    /// first.
    pub next_due_day: Option<u32>,
    /// How many are due and have not been erased yet.
    pub overdue: u64,
    /// How many of these are held.
    pub held: u64,
}

impl Log {
    /// What is kept, by class.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn retention(&self) -> Result<Vec<ClassDue>, LedgerError> {
        let overdue = self.sweep_dry(None, SWEEP_ASKED_MAX).await?.by_class;
        let mut all = Vec::new();
        let mut terms = BTreeMap::new();
        for (name, rules) in self.classes() {
            let of_class = self.terms_of_class(&name);
            let records = self.records_of(&of_class).await?;
            let swept = overdue.get(&name).copied().unwrap_or_default();
            all.push(ClassDue {
                class: name.clone(),
                rules,
                records,
                next_due_day: None,
                overdue: swept.due,
                held: swept.held,
            });
            if records > 0 {
                terms.insert(name, of_class);
            }
        }
        let next = self.next_due(terms).await?;
        for class in &mut all {
            class.next_due_day = next.get(&class.class).copied();
        }
        Ok(all)
    }

    /// The terms of a class, one for each month of receipt.
    fn terms_of_class(&self, class: &str) -> Vec<Term> {
        let months = self.keys().index_months().into_iter();
        let key = |month| self.keys().existing_index_key(month);
        months.filter_map(key).map(|key| Tokens::new(key.as_bytes()).term(Field::Retention, class)).collect()
    }

    async fn records_of(&self, terms: &[Term]) -> Result<u64, LedgerError> {
        let mut records = 0;
        for Term { field, token } in terms {
            let prefix = layout::posting_prefix(self.id(), *field, token.0);
            let mut scan = Scan::prefix(Family::Postings, prefix, EXPIRY_ROWS_READ);
            loop {
                let rows = self.engine().scan(scan.clone()).await?;
                let Some((last, _)) = rows.last() else { break };
                scan.behind(last);
                for (key, row) in &rows {
                    let first = layout::parse_posting_first(key).ok_or_else(damaged)?;
                    records += read_indices(first, row).map_err(|_| damaged())?.len() as u64;
                }
            }
        }
        Ok(records)
    }

    /// On which day the next record of each class is due, as far as a bounded look ahead tells.
    async fn next_due(
        &self,
        mut terms: BTreeMap<String, Vec<Term>>,
    ) -> Result<BTreeMap<String, u32>, LedgerError> {
        let mut next = BTreeMap::new();
        let mut scan = Scan {
            family: Family::Expiry,
            from: layout::expiry_key(self.id(), day_of(self.now_ms()), 0),
            to: layout::prefix_end(layout::log_key(self.id())),
            reverse: false,
            limit: EXPIRY_ROWS_READ,
        };
        let mut tried = 0;
        while !terms.is_empty() && tried < EXPIRY_ROWS_TRIED {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { break };
            scan.behind(last);
            tried += rows.len();
            for (key, row) in &rows {
                let (day, first) = layout::parse_expiry_key(key).ok_or_else(damaged)?;
                let due: Vec<u64> =
                    read_runs(first, row).map_err(|_| damaged())?.into_iter().flatten().collect();
                let mut found = Vec::new();
                for (class, terms) in &terms {
                    if self.is_among(terms, first, &due).await? {
                        found.push(class.clone());
                    }
                }
                for class in found {
                    terms.remove(&class);
                    next.insert(class, day);
                }
            }
        }
        Ok(next)
    }

    /// Whether one of these terms' rows of the submission that begins at `first` lists one of these records.
    async fn is_among(&self, terms: &[Term], first: u64, due: &[u64]) -> Result<bool, LedgerError> {
        let key = |Term { field, token }: &Term| layout::posting_key(self.id(), *field, token.0, first);
        let rows = self.engine().multi_get(Family::Postings, terms.iter().map(key).collect()).await?;
        for row in rows.into_iter().flatten() {
            let indices = read_indices(first, &row).map_err(|_| damaged())?;
            if due.iter().any(|index| indices.binary_search(index).is_ok()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn damaged() -> LedgerError {
    LedgerError::Internal("an index row is damaged; the records themselves are not concerned".to_owned())
}
