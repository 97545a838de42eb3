//! Redacts attributes by path.
//!
//! ```json
//! {"rules": [{"path": "actor.user.email_addr", "action": "pseudonymize", "entity": "EMAIL_ADDRESS"},
//!            {"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"},
//!            {"path": "unmapped.**", "action": "mask", "keep": 4, "entity": "UNMAPPED"}]}
//! ```
//!
//! | member | |
//! | --- | --- |
//! | `path` | an attribute path; `*` or `[*]` stands for any one segment, `**` at the end for any rest |
//! | `action` | `drop`, `mask` or `pseudonymize` |
//! | `keep` | with `mask`: how many characters of the end stay, 0 (the default) to 4 |
//! | `entity` | what is found there, `[A-Z][A-Z0-9_]{0,31}` |
//! | `rule` | the rule's name for the auditor; by default `rules[i]` |
//!
//! Of several rules that fit an attribute the first decides, but `drop` goes before the others. Masks and pseudonyms are for
//! values: attributes that are null or an empty container have none. What the host needs to know an event by (`class_uid`, `activity_id`,
//! `type_uid`, `time`, `metadata.version`) can't be redacted: a rule that names it is refused, one that reaches it by a wildcard
//! leaves it.

use cairnlog_plugin::pattern::Pattern;
use cairnlog_plugin::{Action, Attribute, Plugin, Redaction, Redactor, Value, settings};
use serde::Deserialize;

/// Paths that the host refuses to redact.
const PROTECTED: [&str; 5] = ["class_uid", "activity_id", "type_uid", "time", "metadata.version"];

/// Rules a config may hold.
const RULES_MAX: usize = 256;

/// The plugin, with its rules.
#[derive(Clone, Debug)]
pub struct RedactFields {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    action: Action,
    entity: String,
    name: String,
}

cairnlog_plugin::export!(redactor: RedactFields);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rules: Vec<RuleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    path: String,
    action: ActionName,
    keep: Option<u8>,
    entity: String,
    rule: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ActionName {
    Drop,
    Mask,
    Pseudonymize,
}

impl Plugin for RedactFields {
    fn schema() -> Option<&'static str> {
        Some(include_str!("config.schema.json"))
    }

    fn configure(config: &str) -> Result<Self, String> {
        let config: Config = settings::read(config)?;
        if config.rules.is_empty() || config.rules.len() > RULES_MAX {
            return Err(format!("rules: give 1 to {RULES_MAX}"));
        }
        let rules = config.rules.into_iter().enumerate();
        let rules: Result<Vec<_>, _> = rules.map(|(index, rule)| Rule::new(index, rule)).collect();
        rules.map(|rules| Self { rules })
    }
}

impl Rule {
    fn new(index: usize, config: RuleConfig) -> Result<Self, String> {
        let refused = |reason: &str| format!("rules[{index}]: {reason}");
        let pattern = Pattern::parse(&config.path).map_err(|reason| refused(&reason))?;
        if PROTECTED.contains(&config.path.as_str()) {
            return Err(refused(
                "class_uid, activity_id, type_uid, time and metadata.version can't be redacted",
            ));
        }
        if !is_entity(&config.entity) {
            return Err(refused("entity is [A-Z][A-Z0-9_]{0,31}"));
        }
        if config.rule.as_ref().is_some_and(|name| name.is_empty() || name.len() > 128) {
            return Err(refused("rule, if given, has 1 to 128 bytes"));
        }
        let action = match (config.action, config.keep) {
            (ActionName::Mask, keep) if keep.unwrap_or(0) <= 4 => Action::Mask(keep.unwrap_or(0)),
            (ActionName::Mask, _) => return Err(refused("keep is at most 4")),
            (_, Some(_)) => return Err(refused("keep is for mask alone")),
            (ActionName::Drop, None) => Action::Drop,
            (ActionName::Pseudonymize, None) => Action::Pseudonymize,
        };
        let name = config.rule.unwrap_or_else(|| format!("rules[{index}]"));
        Ok(Self { pattern, action, entity: config.entity, name })
    }

    fn applies(&self, attribute: &Attribute) -> bool {
        let has_value = !matches!(attribute.value, Value::Null | Value::EmptyObject | Value::EmptyList);
        (has_value || self.action == Action::Drop) && self.pattern.matches(&attribute.path)
    }
}

fn is_entity(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 32
        && bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Redactor for RedactFields {
    fn redact(&self, event: &[Attribute]) -> Vec<Redaction> {
        event
            .iter()
            .zip(0..)
            .filter(|(attribute, _)| !PROTECTED.contains(&attribute.path.as_str()))
            .filter_map(|(attribute, index)| self.deciding(attribute).map(|rule| rule.redaction(index)))
            .collect()
    }
}

impl RedactFields {
    /// The rule that decides: the first that drops, else the first.
    fn deciding(&self, attribute: &Attribute) -> Option<&Rule> {
        let mut fitting = self.rules.iter().filter(|rule| rule.applies(attribute));
        let first = fitting.next()?;
        let drops = |rule: &&Rule| rule.action == Action::Drop;
        Some(std::iter::once(first).chain(fitting).find(drops).unwrap_or(first))
    }
}

impl Rule {
    fn redaction(&self, attribute: u32) -> Redaction {
        Redaction {
            attribute,
            span: None,
            action: self.action,
            entity: self.entity.clone(),
            rule: self.name.clone(),
        }
    }
}
