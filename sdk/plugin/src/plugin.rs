//! The traits that a plugin implements.

use crate::{Attribute, Decision, Outcome, Raw, Redaction};

/// What every plugin is: something made from a config.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The JSON Schema of the config, if the plugin takes one. The host checks a config against it when a source is bound.
    #[must_use]
    fn schema() -> Option<&'static str> {
        None
    }

    /// Makes the plugin from its config, a JSON document; [`settings`](crate::settings) reads it.
    ///
    /// # Errors
    /// What is wrong with the config, for the integrator who wrote it.
    fn configure(config: &str) -> Result<Self, String>;
}

/// Turns raw records into OCSF events.
pub trait Normalizer: Plugin {
    /// The events a raw record holds, at least one and in order; or why it is skipped or refused.
    fn normalize(&self, record: &Raw) -> Outcome;
}

/// Says what of an event must not be kept as it is. The host applies it and writes the text.
pub trait Redactor: Plugin {
    /// The attributes of `event`, by index, that must not be kept as they are.
    fn redact(&self, event: &[Attribute]) -> Vec<Redaction>;
}

/// Says which retention class a record belongs to.
pub trait Retention: Plugin {
    /// The class of a record; [`no_class`] if none fits.
    fn decide(&self, event: &[Attribute]) -> Decision;
}

/// A class that no log has: a record given it is quarantined, like any whose class the log lacks.
pub const NO_CLASS: &str = "no-retention-class";

/// The decision that no class fits.
#[must_use]
pub fn no_class() -> Decision {
    Decision { class: NO_CLASS.to_owned(), subject: None, closes: None, rule: "no rule fits".to_owned() }
}
