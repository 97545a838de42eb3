//! A log's retention classes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use cairnlog_store::{Engine, Family, Scan, layout};
use cairnlog_verify::entry::Body;
use cairnlog_verify::name;

use super::Log;
use crate::class::{Class, NO_CLASS};
use crate::control::Saying;
use crate::error::LedgerError;
use crate::limits::CLASSES_MAX;
use crate::said::RetentionSaid;

impl Log {
    /// Sets a retention class, for what comes after its entry; true if it is new. One that is set already as it is needs no
    /// entry.
    ///
    /// # Errors
    /// [`LedgerError`]: a bad name or bound, or the store.
    pub async fn put_class(&self, class_name: &str, class: Class, by: &str) -> Result<bool, LedgerError> {
        self.check_class(class_name, &class)?;
        let _changing = self.changing.lock().await;
        let mut classes = BTreeMap::clone(&self.read_classes());
        let new = !classes.contains_key(class_name);
        if new && classes.len() >= CLASSES_MAX {
            return Err(LedgerError::Conflict(format!("a log has {CLASSES_MAX} retention classes at most")));
        }
        if classes.get(class_name) == Some(&class) {
            return Ok(false);
        }
        let row = serde_json::to_vec(&class).map_err(LedgerError::internal)?;
        let key = layout::class_key(self.id, class_name);
        let saying = Saying {
            body: Body::Retention,
            attributes: RetentionSaid { name: class_name, class: &class, by }.attributes(),
            by: by.to_owned(),
            action: "retention.class",
        };
        let bytes = key.len() + row.len();
        self.say(saying, bytes, move |_, batch| batch.put(Family::Classes, key, row)).await?;
        classes.insert(class_name.to_owned(), class);
        *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(classes);
        Ok(new)
    }

    /// Whether it can be set.
    pub(super) fn check_class(&self, class_name: &str, class: &Class) -> Result<(), LedgerError> {
        name::check(class_name)
            .map_err(|error| LedgerError::BadRequest(format!("the class's name: {error}")))?;
        if class_name == NO_CLASS {
            return Err(LedgerError::BadRequest(format!(
                "{NO_CLASS} is what plugins say when no class fits; use another name"
            )));
        }
        self.require_records()?;
        class.check().map_err(|error| LedgerError::BadRequest(error.to_string()))
    }

    pub(super) fn read_classes(&self) -> Arc<BTreeMap<String, Class>> {
        Arc::clone(&self.classes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The retention class of this name.
    #[must_use]
    pub fn class(&self, class_name: &str) -> Option<Class> {
        self.read_classes().get(class_name).cloned()
    }

    /// All retention classes, by name.
    #[must_use]
    pub fn classes(&self) -> Vec<(String, Class)> {
        self.read_classes().iter().map(|(name, class)| (name.clone(), class.clone())).collect()
    }
}

/// The stored classes of a log.
pub(super) async fn load(engine: &dyn Engine, log: u32) -> Result<BTreeMap<String, Class>, LedgerError> {
    let rows = engine.scan(Scan::prefix(Family::Classes, layout::log_key(log), CLASSES_MAX)).await?;
    let damaged = || LedgerError::Internal("a stored retention class can't be read".to_owned());
    let classes = rows.into_iter().map(|(key, row)| {
        let (_, name) = layout::parse_name_key(&key).ok_or_else(damaged)?;
        Ok((name.to_owned(), serde_json::from_slice(&row).map_err(|_| damaged())?))
    });
    classes.collect()
}
