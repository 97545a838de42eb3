//! What kinds of values a log has made pseudonyms of. Whoever may find a person by the plaintext needs to know: the
//! pseudonym of a value is another one under each entity.
//!
//! An entity has a row from the first commit on that holds a pseudonym made under it.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use cairnlog_store::{Engine, Family, Scan, layout};
use cairnlog_verify::field::pseudonym;

use crate::error::LedgerError;
use crate::index::fold;
use crate::limits::ENTITIES_MAX;
use crate::log::Log;

/// The entities of a log.
#[derive(Debug, Default)]
pub(crate) struct Entities(RwLock<BTreeSet<String>>);

impl Entities {
    pub(crate) async fn load(engine: &dyn Engine, log: u32) -> Result<Self, LedgerError> {
        let rows = engine.scan(Scan::prefix(Family::Sources, layout::entities_prefix(log), ENTITIES_MAX));
        let entity = |(key, _): (Vec<u8>, Vec<u8>)| {
            let entity = layout::parse_entity_key(&key).map(str::to_owned);
            entity.ok_or_else(|| LedgerError::Internal("the row of an entity can't be read".to_owned()))
        };
        let known: BTreeSet<String> = rows.await?.into_iter().map(entity).collect::<Result<_, _>>()?;
        Ok(Self(RwLock::new(known)))
    }

    /// Whether it must have a row first. Beyond [`ENTITIES_MAX`] none gets one: whoever invents so many can't be searched.
    pub(crate) fn lacks(&self, entity: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.len() < ENTITIES_MAX && !known.contains(entity)
    }

    /// They have rows now.
    pub(crate) fn add(&self, entities: impl IntoIterator<Item = String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(entities);
    }

    fn all(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Log {
    /// All that may stand in a record for a value: the value itself, and its pseudonyms under all entities that the log
    /// knows, as it is spelled and as it is folded.
    #[must_use]
    pub fn alternatives(&self, value: &str) -> Vec<String> {
        let folded = fold(value);
        let spellings: BTreeSet<&str> = [value, &*folded].into();
        let key = self.keys().pseudonym_key();
        let mut all = vec![value.to_owned()];
        for entity in self.entities().all() {
            all.extend(spellings.iter().map(|spelling| pseudonym(key.as_bytes(), &entity, spelling)));
        }
        all
    }
}
