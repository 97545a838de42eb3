//! Legal holds: what must not be erased while a matter is open, whenever it arrived.
//!
//! What a hold says, who is looked for among it, stands sealed in its entry and in memory, and nowhere else: its row only
//! says where the entry is. A hold lets nobody read anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairnlog_store::{Family, Scan, layout};
use cairnlog_verify::entry::Body;

use super::id_text;
use crate::control::{SAID_BYTES, Said, Saying};
use crate::error::LedgerError;
use crate::limits::{HOLD_TEXT_BYTES_MAX, HOLDS_MAX};
use crate::log::Log;
use crate::read::Opened;
use crate::said;
use crate::search::Search;
use crate::search::wanted::Wanted;

/// A legal hold.
///
/// It has no `Debug`: what it looks for may be a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Hold {
    /// Names it among the log's holds.
    pub id: u64,
    /// The matter, as its keeper calls it.
    pub matter: String,
    /// Why.
    pub reason: String,
    /// Who set it: the id of a token.
    pub by: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub set_ms: u64,
    /// What it covers.
    pub query: Search,
}

/// A hold, with everything that may stand for what it looks for.
pub(crate) struct Standing {
    hold: Arc<Hold>,
    wanted: Wanted,
}

impl Standing {
    /// The hold's id.
    pub(crate) fn id(&self) -> u64 {
        self.hold.id
    }

    /// Whether it covers an entry. What a quarantined raw record says nobody knows, so every hold covers it that does not
    /// ask for another source.
    pub(crate) fn covers(&self, opened: &Opened) -> bool {
        let query = &self.hold.query;
        if let Body::Quarantine { source, .. } = &opened.entry.body {
            return query.source.as_ref().is_none_or(|wanted| wanted == source);
        }
        let time_ms = opened.time_ms();
        query.from_ms.is_none_or(|from| time_ms >= from)
            && query.to_ms.is_none_or(|to| time_ms < to)
            && self.wanted.matches(opened)
    }
}

/// Bytes of the key and the value of a hold's row.
const HOLD_ROW_BYTES: usize = 12 + SAID_BYTES;

impl Log {
    /// Sets a hold. What it covers is not erased from when this returns, nor by an erasure under way that has not come to
    /// it yet.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for words that are too long or none; [`LedgerError::Conflict`] beyond
    /// [`HOLDS_MAX`] holds.
    pub async fn hold(
        &self,
        matter: String,
        reason: String,
        query: Search,
        by: &str,
    ) -> Result<Arc<Hold>, LedgerError> {
        self.require_records()?;
        for (name, text) in [("matter", &matter), ("reason", &reason)] {
            if text.trim().is_empty() || text.len() > HOLD_TEXT_BYTES_MAX {
                let words = format!("a hold's {name} has 1 to {HOLD_TEXT_BYTES_MAX} bytes");
                return Err(LedgerError::BadRequest(words));
            }
        }
        let _turn = self.keeping().turn.lock().await;
        let mut holds = BTreeMap::clone(&self.keeping().holds());
        if holds.len() >= HOLDS_MAX {
            return Err(LedgerError::Conflict(format!("a log has {HOLDS_MAX} holds at most; release some")));
        }
        let id = self.fresh_id();
        let hold = Hold {
            id,
            matter,
            reason,
            by: by.to_owned(),
            set_ms: self.now_ms(),
            query: plain_and_pseudonyms(query),
        };
        let saying = hold.saying("set", by, &hold.reason);
        let key = layout::hold_key(self.id(), id);
        self.say(saying, HOLD_ROW_BYTES, move |said, batch| {
            batch.put(Family::Holds, key, said.to_bytes());
        })
        .await?;
        let hold = Arc::new(hold);
        holds.insert(id, Arc::clone(&hold));
        self.keeping().set_holds(holds);
        Ok(hold)
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn release_hold(&self, id: u64, reason: &str, by: &str) -> Result<(), LedgerError> {
        if reason.len() > HOLD_TEXT_BYTES_MAX {
            let words = format!("a reason has {HOLD_TEXT_BYTES_MAX} bytes at most");
            return Err(LedgerError::BadRequest(words));
        }
        let _turn = self.keeping().turn.lock().await;
        let mut holds = BTreeMap::clone(&self.keeping().holds());
        let Some(hold) = holds.remove(&id) else {
            return Err(LedgerError::NotFound("the log has no hold of this id".to_owned()));
        };
        let key = layout::hold_key(self.id(), id);
        let saying = hold.saying("released", by, reason);
        self.say(saying, HOLD_ROW_BYTES, move |_, batch| batch.delete(Family::Holds, key)).await?;
        self.keeping().set_holds(holds);
        Ok(())
    }

    /// The holds that stand, by id.
    #[must_use]
    pub fn holds(&self) -> Vec<Arc<Hold>> {
        self.keeping().holds().values().cloned().collect()
    }

    /// The holds that stand, ready to be asked.
    pub(crate) fn standing_holds(&self) -> Vec<Standing> {
        let standing =
            |hold: &Arc<Hold>| Standing { hold: Arc::clone(hold), wanted: Wanted::of(self, &hold.query) };
        self.keeping().holds().values().map(standing).collect()
    }

    /// Opens the entries of all holds that stand.
    pub(crate) async fn load_holds(&self) -> Result<(), LedgerError> {
        let scan = Scan::prefix(Family::Holds, layout::log_key(self.id()), HOLDS_MAX);
        let mut holds = BTreeMap::new();
        for (key, row) in self.engine().scan(scan).await? {
            let damaged = || LedgerError::Internal("a stored hold can't be read".to_owned());
            let (_, id) = layout::parse_index_key(&key).ok_or_else(damaged)?;
            let Said { in_control, index } = Said::from_bytes(&row).ok_or_else(damaged)?;
            let control = if in_control { Some(self.shared().control()?) } else { None };
            let log = control.as_deref().unwrap_or(self);
            let opened = log.open_entry(index).await?.ok_or_else(damaged)?;
            let hold = Hold::said(id, &opened, in_control).ok_or_else(damaged)?;
            holds.insert(id, Arc::new(hold));
        }
        self.keeping().set_holds(holds);
        Ok(())
    }
}

impl Hold {
    /// Its id as the API writes it.
    #[must_use]
    pub fn name(&self) -> String {
        Self::name_of(self.id)
    }

    /// The same of the hold with this id.
    #[must_use]
    pub fn name_of(id: u64) -> String {
        id_text(id)
    }

    fn saying(&self, what: &str, by: &str, reason: &str) -> Saying {
        let text = |member: &str, value: &str| said::text(&format!("hold.{member}"), value);
        let query = &self.query;
        let filters = [
            ("query.action", &query.action),
            ("query.actor", &query.actor),
            ("query.class", &query.class),
            ("query.ip", &query.ip),
            ("query.resource", &query.resource),
            ("query.source", &query.source),
            ("query.status", &query.status),
        ];
        let filters = filters.into_iter().filter_map(|(path, value)| Some(text(path, value.as_deref()?)));
        let times = [("hold.query.from", query.from_ms), ("hold.query.to", query.to_ms)];
        let times = times.into_iter().filter_map(|(path, time)| Some(said::integer(path, time?)));
        let mut attributes = vec![
            text("by", by),
            text("id", &self.name()),
            text("matter", &self.matter),
            text("reason", reason),
            text("what", what),
        ];
        attributes.extend(filters.chain(times));
        attributes.sort_by(|left, right| left.path.cmp(&right.path));
        Saying { body: Body::Hold, attributes, by: by.to_owned(), action: "retention.hold" }
    }

    /// Reads what [`saying`](Self::saying) said when the hold was set.
    fn said(id: u64, opened: &Opened, in_control: bool) -> Option<Self> {
        let below = if in_control { "unmapped.hold." } else { "hold." };
        let text = |member: &str| opened.payload.text(&format!("{below}{member}")).map(str::to_owned);
        let time = |member: &str| opened.payload.integer(&format!("{below}{member}"));
        let query = Search {
            source: text("query.source"),
            actor: text("query.actor"),
            action: text("query.action"),
            class: text("query.class"),
            status: text("query.status"),
            resource: text("query.resource"),
            ip: text("query.ip"),
            from_ms: time("query.from"),
            to_ms: time("query.to"),
            ..Search::default()
        };
        let set_ms = opened.received_ms();
        let query = plain_and_pseudonyms(query);
        Some(Self { id, matter: text("matter")?, reason: text("reason")?, by: text("by")?, set_ms, query })
    }
}

/// A hold covers a person also where a pseudonym stands for them. It lets nobody read, so nobody learns who that is.
fn plain_and_pseudonyms(query: Search) -> Search {
    Search { reidentify: true, ..query }
}
