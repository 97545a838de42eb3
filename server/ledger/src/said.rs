//! What the log's own entries say: each kind but `record` is an event of the server's making, committed, sealed and
//! readable like any other.
//!
//! Attributes come in the order of their paths, without `$received`, which every entry gets when it is sealed.

use cairnlog_host::Kind;
use cairnlog_verify::entry::Mode;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::class::Class;

/// What entry 0 says besides origin and mode.
#[derive(Debug, Clone, Copy)]
pub struct LogSaid<'a> {
    /// The log's name on this server.
    pub name: &'a str,
    /// Who made it: the id of a token.
    pub operator: &'a str,
    /// What its leaves are.
    pub mode: Mode,
    /// Whether its transparency part needs a token.
    pub private: bool,
}

/// What a plugin's entry says besides its digest.
#[derive(Debug, Clone, Copy)]
pub struct PluginSaid<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The roles that it plays.
    pub kinds: &'a [Kind],
    /// Who stands for it: a signed note over its digest, if there is one.
    pub signature: Option<&'a str>,
    /// Who uploaded it: the id of a token.
    pub uploaded_by: &'a str,
}

/// What a quarantine entry says besides source and raw commitment.
#[derive(Debug, Clone, Copy)]
pub struct QuarantineSaid<'a> {
    /// A stable slug: `rejected`, `trap`, `too-large`, `no-retention-class` …
    pub reason: &'a str,
    /// What happened, for the operator; it may come from a plugin that saw the record.
    pub detail: &'a str,
    /// Bytes of the raw record's body.
    pub size: u64,
}

/// What a key's entry says besides the key and the end of those before it.
#[derive(Debug, Clone, Copy)]
pub struct KeySaid<'a> {
    /// Who changed the keys: the id of a token.
    pub by: &'a str,
    /// Why, in their words; empty where they gave none.
    pub reason: &'a str,
}

/// What a retention class's entry says.
#[derive(Debug, Clone, Copy)]
pub struct RetentionSaid<'a> {
    /// The class's name.
    pub name: &'a str,
    /// The class.
    pub class: &'a Class,
    /// Who set it: the id of a token.
    pub by: &'a str,
}

impl RetentionSaid<'_> {
    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        let Class { trigger, minimum_days, maximum_days, zone, basis } = self.class;
        let maximum = maximum_days.map(|days| integer("retention.maximum_days", i64::from(days)));
        let before = [
            text("retention.basis", basis),
            text("retention.by", self.by),
            text("retention.class", self.name),
        ];
        let after = [
            integer("retention.minimum_days", i64::from(*minimum_days)),
            text("retention.trigger", trigger.as_str()),
        ];
        let zone = zone.as_deref().map(|zone| text("retention.zone", zone));
        before.into_iter().chain(maximum).chain(after).chain(zone).collect()
    }
}

impl KeySaid<'_> {
    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        vec![text("key.by", self.by), text("key.reason", self.reason)]
    }
}

impl LogSaid<'_> {
    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        vec![
            text("log.mode", self.mode.as_str()),
            text("log.name", self.name),
            text("log.operator", self.operator),
            Attribute { path: "log.private".to_owned(), value: Value::Boolean(self.private) },
        ]
    }
}

impl PluginSaid<'_> {
    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        // Three roles at most, so the order of numbers is that of bytes.
        let kinds = self
            .kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| text(&format!("plugin.kinds[{index}]"), &kind.to_string()));
        let signature = self.signature.map(|signature| text("plugin.signature", signature));
        let rest = [text("plugin.uploaded_by", self.uploaded_by), text("plugin.version", self.version)];
        kinds.chain([text("plugin.name", self.name)]).chain(signature).chain(rest).collect()
    }
}

impl QuarantineSaid<'_> {
    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        let size = Value::Integer(i64::try_from(self.size).unwrap_or(i64::MAX));
        vec![
            text("quarantine.detail", self.detail),
            text("quarantine.reason", self.reason),
            Attribute { path: "quarantine.size".to_owned(), value: size },
        ]
    }
}

/// An attribute that is an integer.
pub(crate) fn integer(path: &str, value: i64) -> Attribute {
    Attribute { path: path.to_owned(), value: Value::Integer(value) }
}

/// An attribute that is a text.
pub(crate) fn text(path: &str, text: &str) -> Attribute {
    Attribute { path: path.to_owned(), value: Value::Text(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use cairnlog_verify::event::Event;

    use super::*;

    #[test]
    fn all_are_events_in_the_order_of_their_paths() {
        let kinds = [Kind::Normalizer, Kind::Redactor, Kind::Retention];
        for said in [
            LogSaid { name: "hr", operator: "0011223344556677", mode: Mode::Records, private: true }
                .attributes(),
            PluginSaid {
                name: "aws-cloudtrail",
                version: "0.1.0",
                kinds: &kinds,
                signature: Some("cairnlog/plugin/v1"),
                uploaded_by: "admin",
            }
            .attributes(),
            KeySaid { by: "admin", reason: "" }.attributes(),
            RetentionSaid { name: "default", class: &Class::default_of_log(), by: "admin" }.attributes(),
            QuarantineSaid { reason: "trap", detail: "unreachable", size: 7 }.attributes(),
        ] {
            assert_eq!(Event::new(said.clone()).map(Event::into_attributes), Ok(said));
        }
    }
}
