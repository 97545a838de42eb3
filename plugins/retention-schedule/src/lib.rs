//! Chooses retention classes by attribute values.
//!
//! ```json
//! {"rules": [{"class": "admin-change", "when": {"class_uid": [3001, 3004, 3005]}}, {"class": "default"}]}
//! ```
//!
//! | member | |
//! | --- | --- |
//! | `class` | a class of the log, `[a-z0-9-]{1,64}` |
//! | `when` | conditions, all of which must hold: a path, and the values of which an attribute there has one |
//! | `subject` | the path of the person's id, for a class that an event closes |
//! | `closes` | the class whose records of that person this event closes |
//! | `rule` | the rule's name for the auditor; by default `rules[i]` |
//!
//! The first rule that fits decides; one without `when` fits always. In a path `*` or `[*]` stands for any one segment and
//! `**` at the end for any rest; such a condition holds if any attribute that it reaches has one of the values. Values are
//! compared with their type: `"1"` is not `1`.
//!
//! If no rule fits, the class is `no-retention-class`, which no log has, and the host quarantines the record. A rule can't name it.

use cairnlog_plugin::pattern::Pattern;
use cairnlog_plugin::{Attribute, Decision, NO_CLASS, Plugin, Retention, Value, no_class, settings};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Bytes of a subject that the host takes.
const SUBJECT_BYTES_MAX: usize = 1_024;

/// Rules a config may hold.
const RULES_MAX: usize = 256;

/// The plugin, with its rules.
#[derive(Clone, Debug)]
pub struct RetentionSchedule {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    class: String,
    name: String,
    when: Vec<(Pattern, Vec<Scalar>)>,
    subject: Option<String>,
    closes: Option<String>,
}

cairnlog_plugin::export!(retention: RetentionSchedule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rules: Vec<RuleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    class: String,
    #[serde(default)]
    when: BTreeMap<String, Vec<Scalar>>,
    subject: Option<String>,
    closes: Option<String>,
    rule: Option<String>,
}

/// A value to compare with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Plugin for RetentionSchedule {
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
        if !is_name(&config.class) {
            return Err(refused("class is [a-z0-9-]{1,64}"));
        }
        if config.closes.as_deref().is_some_and(|class| !is_name(class)) {
            return Err(refused("closes, if given, is a class, [a-z0-9-]{1,64}"));
        }
        if config.closes.is_some() && config.subject.is_none() {
            return Err(refused("closes needs a subject: whose records it closes"));
        }
        if config.class == NO_CLASS {
            return Err(refused("class `no-retention-class` is what a record has that no rule fits"));
        }
        if config.rule.as_ref().is_some_and(|name| name.is_empty() || name.len() > 128) {
            return Err(refused("rule, if given, has 1 to 128 bytes"));
        }
        if config.when.values().any(Vec::is_empty) {
            return Err(refused("a condition of `when` needs at least one value"));
        }
        let condition =
            |(path, values): (String, Vec<Scalar>)| Pattern::parse(&path).map(|pattern| (pattern, values));
        let when: Result<Vec<_>, _> = config.when.into_iter().map(condition).collect();
        let name = config.rule.unwrap_or_else(|| format!("rules[{index}]"));
        let RuleConfig { class, subject, closes, .. } = config;
        Ok(Self { class, name, when: when.map_err(|reason| refused(&reason))?, subject, closes })
    }

    /// What the event says at the subject's path.
    fn subject_of(&self, event: &[Attribute]) -> Option<String> {
        let path = self.subject.as_deref()?;
        match event.iter().find(|attribute| attribute.path == path)?.value {
            // What is longer is no identifier, and the host refuses it.
            Value::Text(ref text) if (1..=SUBJECT_BYTES_MAX).contains(&text.len()) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn fits(&self, event: &[Attribute]) -> bool {
        self.when.iter().all(|(pattern, values)| {
            let listed = |value: &Value| values.iter().any(|scalar| scalar.is(value));
            event.iter().any(|attribute| pattern.matches(&attribute.path) && listed(&attribute.value))
        })
    }
}

fn is_name(class: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&class.len()) && class.bytes().all(in_name)
}

impl Scalar {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Boolean(expected), Value::Boolean(value)) => expected == value,
            (Self::Integer(expected), Value::Integer(value)) => expected == value,
            (Self::Text(expected), Value::Text(value)) => expected == value,
            // A double has one order with itself; NaN does not get here.
            (Self::Float(expected), Value::Float(value)) => expected.total_cmp(value).is_eq(),
            _ => false,
        }
    }
}

impl Retention for RetentionSchedule {
    fn decide(&self, event: &[Attribute]) -> Decision {
        match self.rules.iter().find(|rule| rule.fits(event)) {
            Some(rule) => Decision {
                class: rule.class.clone(),
                subject: rule.subject_of(event),
                closes: rule.closes.clone(),
                rule: rule.name.clone(),
            },
            None => no_class(),
        }
    }
}
