//! Says what of an event must not be kept as it is.

use cairnlog_plugin::{Action, Attribute, Plugin, Redaction, Redactor, Value, settings};

/// Characters of what is not mapped that stay.
const KEPT: u8 = 4;

/// The plugin. It takes no config.
pub struct People;
cairnlog_plugin::export!(redactor: People);

impl Plugin for People {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Redactor for People {
    fn redact(&self, event: &[Attribute]) -> Vec<Redaction> {
        (0..).zip(event).flat_map(|(index, attribute)| of(index, attribute)).collect()
    }
}

fn of(index: u32, Attribute { path, value }: &Attribute) -> Vec<Redaction> {
    let whole = |action, entity: &str, rule: &str| vec![redaction(index, None, action, entity, rule)];
    match (path.as_str(), value) {
        ("actor.user.email_addr", _) => whole(Action::Pseudonymize, "EMAIL_ADDRESS", "people"),
        ("actor.user.name", _) => whole(Action::Pseudonymize, "USER_NAME", "people"),
        ("src_endpoint.ip", _) => whole(Action::Drop, "IP_ADDRESS", "addresses"),
        ("message", Value::Text(text)) => addresses(index, text),
        (path, Value::Text(_)) if path.starts_with("unmapped") => {
            whole(Action::Mask(KEPT), "UNMAPPED", "not mapped")
        }
        _ => Vec::new(),
    }
}

/// The e-mail addresses among a text's words.
fn addresses(index: u32, text: &str) -> Vec<Redaction> {
    let mut start = 0;
    let mut found = Vec::new();
    for word in text.split(' ') {
        let end = start + word.len();
        if is_email(word) {
            let span = (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX));
            found.push(redaction(index, Some(span), Action::Pseudonymize, "EMAIL_ADDRESS", "people"));
        }
        start = end + 1;
    }
    found
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'))
}

fn redaction(attribute: u32, span: Option<(u32, u32)>, action: Action, entity: &str, rule: &str) -> Redaction {
    Redaction { attribute, span, action, entity: entity.to_owned(), rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_among_words_are_found_and_nothing_else() {
        let event = [Attribute { path: "message".to_owned(), value: Value::Text("Zoë met anna@example.com @home".to_owned()) }];
        let found = People.redact(&event);
        assert_eq!(found.iter().map(|redaction| redaction.span).collect::<Vec<_>>(), [Some((9, 25))]);
    }
}
