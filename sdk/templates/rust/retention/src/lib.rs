//! Says which retention class a record is of. What a class means is set in the log, outside any plugin.

use cairnlog_plugin::{Attribute, Decision, Plugin, Retention, Value, no_class, ocsf, settings};

/// The activity Delete of the class Account Change.
const DELETE: i64 = 6;

/// The plugin. It takes no config.
pub struct Classes;
cairnlog_plugin::export!(retention: Classes);

impl Plugin for Classes {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Retention for Classes {
    fn decide(&self, event: &[Attribute]) -> Decision {
        let class_uid = integer(event, "class_uid");
        if class_uid == Some(ocsf::AUTHENTICATION.uid.into()) {
            return decision("sign-in", "authentication");
        }
        if class_uid == Some(ocsf::ACCOUNT_CHANGE.uid.into()) {
            return of_account(event);
        }
        if class_uid.is_some() { decision("default", "all others") } else { no_class() }
    }
}

/// The records of an account end with it.
fn of_account(event: &[Attribute]) -> Decision {
    let subject = text(event, "user.uid");
    let ends = subject.is_some() && integer(event, "activity_id") == Some(DELETE);
    let rule = if ends { "accounts that end" } else { "accounts" };
    let closes = ends.then(|| "admin-change".to_owned());
    Decision { subject, closes, ..decision("admin-change", rule) }
}

fn decision(class: &str, rule: &str) -> Decision {
    Decision { class: class.to_owned(), subject: None, closes: None, rule: rule.to_owned() }
}

fn value<'a>(event: &'a [Attribute], path: &str) -> Option<&'a Value> {
    event.iter().find(|attribute| attribute.path == path).map(|attribute| &attribute.value)
}

fn integer(event: &[Attribute], path: &str) -> Option<i64> {
    match value(event, path)? {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }
}

fn text(event: &[Attribute], path: &str) -> Option<String> {
    match value(event, path)? {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_class_has_none() {
        assert_eq!(Classes.decide(&[]), no_class());
    }
}
