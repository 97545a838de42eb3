//! What plugins say while they run: the last messages of each source, for those who may read its records.
//!
//! A plugin sees plaintext, also what a redactor takes later, and its messages may quote it. So they are kept in memory alone and not for
//! long, no file has them, and they go whenever anything of the log is erased: of what, nobody can tell from a message.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairnlog_host::{Level, PluginLog};

use crate::limits::{MESSAGES_KEPT, MESSAGES_KEPT_MS};

/// A plugin's message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `name@version`.
    pub plugin: String,
    /// How grave it is.
    pub level: Level,
    /// Its text.
    pub text: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("plugin", &self.plugin)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The messages of a run.
pub(crate) fn messages<'a>(plugin: &'a str, log: &'a PluginLog) -> impl Iterator<Item = Message> + 'a {
    log.lines().map(|line| Message {
        plugin: plugin.to_owned(),
        level: line.level,
        text: line.message.clone(),
    })
}

/// The last messages by source, each with the time at which it was said.
#[derive(Default)]
pub(crate) struct Diagnostics(Mutex<BTreeMap<String, VecDeque<(u64, Message)>>>);

impl Diagnostics {
    pub(crate) fn push(&self, source: &str, at_ms: u64, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        self.prune(at_ms);
        let mut sources = self.lock();
        let ring = sources.entry(source.to_owned()).or_default();
        ring.extend(messages.into_iter().map(|message| (at_ms, message)));
        let surplus = ring.len().saturating_sub(MESSAGES_KEPT);
        ring.drain(..surplus);
    }

    /// Those of a source that are not too old, oldest first.
    pub(crate) fn read(&self, source: &str, now_ms: u64) -> Vec<(u64, Message)> {
        self.prune(now_ms);
        self.lock().get(source).into_iter().flatten().cloned().collect()
    }

    /// Forgets what is too old, of all sources.
    pub(crate) fn prune(&self, now_ms: u64) {
        self.lock().retain(|_, ring| {
            ring.retain(|(at_ms, _)| now_ms.saturating_sub(*at_ms) < MESSAGES_KEPT_MS);
            !ring.is_empty()
        });
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<(u64, Message)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Message {
        Message { plugin: "p@1".to_owned(), level: Level::Warn, text: text.to_owned() }
    }

    #[test]
    fn the_last_messages_of_each_source_are_kept_for_a_while() {
        let kept = Diagnostics::default();
        let many: Vec<Message> = (0..MESSAGES_KEPT + 5).map(|number| said(&number.to_string())).collect();
        kept.push("a", 1_000, many);
        kept.push("b", 2_000, vec![said("other")]);
        let read = kept.read("a", 1_000);
        assert_eq!((read.len(), read[0].1.text.as_str()), (MESSAGES_KEPT, "5"));
        assert_eq!(kept.read("b", 2_000), [(2_000, said("other"))]);
        assert!(kept.read("c", 0).is_empty());
        assert!(kept.read("a", 1_000 + MESSAGES_KEPT_MS).is_empty(), "too old");
        assert_eq!(kept.read("b", 1_000 + MESSAGES_KEPT_MS).len(), 1);
        kept.push("c", 2_000 + MESSAGES_KEPT_MS, vec![said("new")]);
        assert_eq!(
            kept.lock().keys().collect::<Vec<_>>(),
            ["c"],
            "what is too old goes though nobody asks for it"
        );
        kept.clear();
        assert!(kept.read("c", 2_000 + MESSAGES_KEPT_MS).is_empty());
        assert!(!format!("{:?}", said("secret")).contains("secret"));
    }
}
