//! Search: by source, actor, action, class, status, resource, address and event time.
//!
//! Index rows only say where to look: the opened payload decides, for a token is eight bytes and two values may share
//! one. Nothing is opened to be put in order: `times` says when the event of each record was, to the millisecond.
//!
//! A filter whose rows are few is read whole, and what it lists is looked up in the rows of the others. Where all filters
//! are wide, or there is none, the `times` rows are walked in the order of the search, so that what comes first is
//! found first, and each record is looked up in the rows of every filter, which are found by its submission's first
//! index. A walk can stop and go on behind any record: one that finds little ends with a cursor after a bounded number.

mod filters;
mod page;
mod walk;
pub(crate) mod wanted;

use std::sync::Arc;

use crate::error::LedgerError;
use crate::index::Field;
use crate::limits::{POSTINGS_HELD_MAX, POSTINGS_TRIED, RECORDS_TRIED, RECORDS_WALKED_MAX};
use crate::log::Log;
use crate::read::Record;
use filters::Filters;
use page::Page;
use walk::Walk;
use wanted::Wanted;

/// What is looked for. Filters match whole values as kept, folded.
///
/// It has no `Debug`: what is looked for may be a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The source's name.
    pub source: Option<String>,
    /// A user's or session's uid, name or e-mail address.
    pub actor: Option<String>,
    /// The operation, event code or activity.
    pub action: Option<String>,
    /// `class_uid`.
    pub class: Option<String>,
    /// `status_id`.
    pub status: Option<String>,
    /// A resource's or entity's uid or name, a file's path, a page's URL.
    pub resource: Option<String>,
    /// `src_endpoint.ip`.
    pub ip: Option<String>,
    /// Whom else it names, in a field that no other filter looks at.
    pub person: Option<String>,
    /// Event time from here on, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Event time before this.
    pub to_ms: Option<i64>,
    /// By (event time, index).
    pub order: Order,
    /// Whether a filter also matches the pseudonyms of its value.
    pub reidentify: bool,
}

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

/// Where a list goes on: behind this place, at which there need not be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// An event time.
    pub time_ms: i64,
    /// An index.
    pub index: u64,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct Found {
    /// The records, in order; perhaps fewer than were asked for, though there are more.
    pub records: Vec<Record>,
    /// Where the next page starts, if there may be more.
    pub next: Option<Position>,
}

/// The part of the order of time that a page is taken from.
#[derive(Clone, Copy)]
struct Span {
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    after: Option<Position>,
    order: Order,
}

impl Search {
    fn filters(&self) -> impl Iterator<Item = (Field, &str)> {
        let all = [
            (Field::Source, &self.source),
            (Field::Actor, &self.actor),
            (Field::Action, &self.action),
            (Field::Class, &self.class),
            (Field::Status, &self.status),
            (Field::Resource, &self.resource),
            (Field::Ip, &self.ip),
            (Field::Person, &self.person),
        ];
        all.into_iter().filter_map(|(field, value)| Some((field, value.as_deref()?)))
    }
}

impl Span {
    fn holds(&self, position: Position) -> bool {
        let is_behind = |after| match self.order {
            Order::Ascending => position > after,
            Order::Descending => position < after,
        };
        self.from_ms.is_none_or(|from| position.time_ms >= from)
            && self.to_ms.is_none_or(|to| position.time_ms < to)
            && self.after.is_none_or(is_behind)
    }

    /// Those that lie within, in order.
    fn sorted(&self, mut positions: Vec<Position>) -> Vec<Position> {
        positions.retain(|position| self.holds(*position));
        positions.sort_unstable();
        if self.order == Order::Descending {
            positions.reverse();
        }
        positions
    }
}

/// A record as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The first index of its submission.
    first: u64,
    index: u64,
}

impl Log {
    /// A page of records, behind `after`.
    ///
    /// # Errors
    /// [`LedgerError`]: a record that does not open, or the store.
    pub async fn search(
        &self,
        search: &Search,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Found, LedgerError> {
        let _turn = self.shared().searches.acquire().await.map_err(LedgerError::internal)?;
        let mut disturbance = self.keeping().disturbance();
        loop {
            match self.search_once(search, after, limit).await {
                Err(error) if disturbance.explains(&error, self.keeping()) => {}
                result => return result,
            }
        }
    }

    async fn search_once(
        &self,
        search: &Search,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Found, LedgerError> {
        let Search { from_ms, to_ms, order, .. } = *search;
        let span = Span { from_ms, to_ms, after, order };
        let size = self.tree().head().checkpoint.size;
        let wanted = Wanted::of(self, search);
        let mut filters = Filters::new(self, &wanted, size);
        let mut page = Page::new(self, Arc::new(wanted), limit);
        if let Some(few) = filters.few(POSTINGS_TRIED).await? {
            page.add(&span.sorted(few)).await?;
            return Ok(page.end(None));
        }
        let mut walk = Walk::new(self, &span, size, limit);
        let mut tried = false;
        while let Some(places) = walk.next().await? {
            let found = filters.narrow(places, |(place, _)| *place, None).await?;
            let found: Vec<Position> = found.into_iter().map(|(_, position)| position).collect();
            page.add(&found).await?;
            if page.is_full() {
                break;
            }
            if walk.walked() >= RECORDS_WALKED_MAX {
                return Ok(page.end(walk.stands_at()));
            }
            if !tried && walk.walked() >= RECORDS_TRIED {
                tried = true;
                if let Some(few) = filters.few(POSTINGS_HELD_MAX).await? {
                    let rest = Span { after: walk.stands_at(), ..span };
                    page.add(&rest.sorted(few)).await?;
                    break;
                }
            }
        }
        Ok(page.end(None))
    }
}

fn damaged() -> LedgerError {
    LedgerError::Internal("an index row is damaged; the records themselves are not concerned".to_owned())
}
