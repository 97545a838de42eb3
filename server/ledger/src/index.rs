//! What can be searched for, and how a value becomes a row that tells nothing to whoever lacks the month's key.
//!
//! A term is a field and a token, `HMAC-SHA-256(index key of the month of receipt, field || 0 || folded value)[..8]`.
//! Terms are made from the event **after** redaction only, and a hit is confirmed in the opened payload.

mod rows;
mod times;
mod without;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::PERSONS_MAX;

pub use rows::{Indices, RowError, Runs, read_indices, read_runs};
pub use times::{Moment, Times, read_moment, read_stretch, stretch_of};
pub use without::{expiry_with, expiry_without, moment_without, posting_without, stretch_without};

/// What a record can be found by. The ids stand in row keys and are never given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    /// The source's name.
    Source = 1,
    /// Who did it, or to whose account.
    Actor = 2,
    /// What was done.
    Action = 3,
    /// The OCSF class, `class_uid`.
    Class = 4,
    /// The outcome, `status_id`.
    Status = 5,
    /// What it was done to.
    Resource = 6,
    /// Where it came from.
    Ip = 7,
    /// The retention class that was chosen.
    Retention = 8,
    /// Whose record it is, within a class that an event closes.
    Subject = 9,
    /// Whom else it names: what is erased with a person, and no filter finds.
    Person = 10,
}

/// The blind name of a folded value of a field, in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub [u8; 8]);

/// A search row of a record, without its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// The field's id.
    pub field: u8,
    /// The value's token.
    pub token: Token,
}

/// Makes tokens under one month's key and remembers those it made: the values of a chunk of records repeat.
///
/// It has no `Debug`: it holds a key and values.
pub struct Tokens {
    keyed: Hmac<Sha256>,
    known: [HashMap<String, Token>; Field::ALL.len()],
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 10] = [
        Self::Source,
        Self::Actor,
        Self::Action,
        Self::Class,
        Self::Status,
        Self::Resource,
        Self::Ip,
        Self::Retention,
        Self::Subject,
        Self::Person,
    ];

    /// Its id in row keys.
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its name, as filters and tokens use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Actor => "actor",
            Self::Action => "action",
            Self::Class => "class",
            Self::Status => "status",
            Self::Resource => "resource",
            Self::Ip => "ip",
            Self::Retention => "retention",
            Self::Subject => "subject",
            Self::Person => "person",
        }
    }

    /// The field that the attribute at `path` can be found by.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "actor.user.uid"
            | "actor.user.name"
            | "actor.user.email_addr"
            | "actor.session.uid"
            | "actor.invoked_by"
            | "user.uid"
            | "user.name"
            | "user.email_addr"
            | "src_endpoint.owner.uid"
            | "src_endpoint.owner.name"
            | "src_endpoint.owner.email_addr" => Self::Actor,
            "api.operation" | "metadata.event_code" | "activity_name" => Self::Action,
            "class_uid" => Self::Class,
            "status_id" => Self::Status,
            "entity.uid" | "entity.name" | "file.path" => Self::Resource,
            "src_endpoint.ip" => Self::Ip,
            _ => return Self::of_element(path),
        })
    }

    /// `resources[*].{uid,name}` and `web_resources[*].{name,url_string}`.
    fn of_element(path: &str) -> Option<Self> {
        let (list, element) = path.split_once('[')?;
        let (_, member) = element.split_once(']')?;
        matches!((list, member), ("resources", ".uid" | ".name") | ("web_resources", ".name" | ".url_string"))
            .then_some(Self::Resource)
    }
}

/// Whether an attribute that has no field of its own names a person: OCSF's users in any place, its senders and recipients, what
/// only people have, and any e-mail address.
fn names_a_person(path: &str, value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parent.rsplit_once('.').map_or(parent, |(_, parent)| parent);
    let name = |segment: &str| segment.split_once('[').map_or(segment.len(), |(name, _)| name.len());
    let (parent, last) = (&parent[..name(parent)], &last[..name(last)]);
    match last {
        "email_addr" | "email_addrs" | "uid_alt" | "full_name" | "credential_uid" | "employee_uid"
        | "ldap_cn" | "ldap_dn" => true,
        "uid" | "name" => {
            matches!(
                parent,
                "user"
                    | "users"
                    | "owner"
                    | "manager"
                    | "assignee"
                    | "creator"
                    | "modifier"
                    | "accessor"
                    | "ldap_person"
            )
        }
        "from" | "to" | "cc" | "bcc" | "reply_to" | "sender" | "smtp_from" | "smtp_to" | "delivered_to" => {
            parent == "email"
        }
        _ => is_email(text),
    }
}

impl Tokens {
    /// Tokens of one month's index key.
    #[must_use]
    pub fn new(index_key: &[u8; 32]) -> Self {
        // HMAC fills a key up to its block with zeros; the fixed-size constructor can't fail.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(index_key);
        let keyed = Hmac::new((&*block).into());
        Self { keyed, known: std::array::from_fn(|_| HashMap::new()) }
    }

    /// The term of a value as kept; it is folded here.
    pub fn term(&mut self, field: Field, value: &str) -> Term {
        let value = fold(value);
        let known = &mut self.known[usize::from(field.id()) - 1];
        let token = known.get(&*value).copied().unwrap_or_else(|| {
            let mac = self.keyed.clone().chain_update(field.name()).chain_update([0]).chain_update(&*value);
            let mac: [u8; 32] = mac.finalize().into_bytes().into();
            let mut token = Token([0; 8]);
            token.0.copy_from_slice(&mac[..8]);
            known.insert(value.into_owned(), token);
            token
        });
        Term { field: field.id(), token }
    }

    /// The terms of a record, ascending and each once.
    pub fn terms(&mut self, source: Option<&str>, attributes: &[Attribute]) -> Vec<Term> {
        let mut terms: Vec<Term> =
            values(source, attributes).map(|(field, value)| self.term(field, &value)).collect();
        terms.sort_unstable();
        terms.dedup();
        let of_persons =
            terms.iter().position(|term| term.field == Field::Person.id()).unwrap_or(terms.len());
        // The last field of an event, so what is left out stands at the end.
        terms.truncate(of_persons.saturating_add(PERSONS_MAX));
        terms
    }
}

/// What a record can be found by, as kept, not folded: its source, if it has one, and text and integers at the paths of the fields.
pub fn values<'a>(
    source: Option<&'a str>,
    attributes: &'a [Attribute],
) -> impl Iterator<Item = (Field, Cow<'a, str>)> {
    let of_event = attributes.iter().filter_map(|Attribute { path, value }| {
        let field = Field::of_path(path).or_else(|| names_a_person(path, value).then_some(Field::Person))?;
        let value = match value {
            Value::Text(text) if !text.is_empty() => Cow::Borrowed(text.as_str()),
            Value::Integer(integer) => Cow::Owned(integer.to_string()),
            _ => return None,
        };
        Some((field, value))
    });
    source.map(|source| (Field::Source, Cow::Borrowed(source))).into_iter().chain(of_event)
}

/// The one spelling under which equal values are found: an IP address as RFC 5952 writes it, an e-mail address with its
/// ASCII letters in lower case, everything else as it is.
#[must_use]
pub fn fold(value: &str) -> Cow<'_, str> {
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Cow::Owned(ip.to_string());
    }
    if is_email(value) && value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(value.to_ascii_lowercase());
    }
    Cow::Borrowed(value)
}

/// Something on either side of the only `@`, and nothing that addresses don't have but URLs and ARNs do.
fn is_email(value: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(['@', '/', ':', ' ']) && !part.contains(char::is_control)
    };
    value.split_once('@').is_some_and(|(local, domain)| is_part(local) && is_part(domain))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn attribute(path: &str, value: Value) -> Attribute {
        Attribute { path: path.to_owned(), value }
    }

    #[test]
    fn whom_an_event_names_in_any_place_is_a_person() {
        let found = |path: &str, value: &str| {
            let attributes = [attribute(path, Value::Text(value.to_owned()))];
            values(None, &attributes).map(|(field, _)| field).next()
        };
        for path in [
            "dst_endpoint.owner.name",
            "actor.user.uid_alt",
            "actor.process.user.name",
            "users[3].uid",
            "user.manager.name",
            "user.ldap_person.email_addrs[0]",
            "resources[0].owner.uid",
            "email.to[1]",
            "email.from",
        ] {
            assert_eq!(found(path, "ann"), Some(Field::Person), "{path}");
        }
        for path in ["message", "unmapped.a.b", "observables[0].value", "unmapped[\"a.b\"]"] {
            assert_eq!(found(path, "ann"), None, "{path}");
            assert_eq!(found(path, "ann@example.com"), Some(Field::Person), "{path}");
            assert_eq!(found(path, "ann@example.com came"), None, "{path}");
        }
        for path in ["cloud.account.uid", "to", "metadata.product.name", "device.name"] {
            assert_eq!(found(path, "ann"), None, "{path}");
        }
        assert_eq!(found("actor.user.name", "ann@example.com"), Some(Field::Actor));
    }

    #[test]
    fn values_fold_to_one_spelling() {
        for (value, folded) in [
            ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.01", "192.0.2.01"),
            ("Ann@Example.COM", "ann@example.com"),
            ("ann@example.com", "ann@example.com"),
            (
                "arn:aws:sts::1:assumed-role/R/Ann@Example.com",
                "arn:aws:sts::1:assumed-role/R/Ann@Example.com",
            ),
            ("Ann", "Ann"),
            ("@A", "@A"),
            ("A@", "A@"),
            ("A@B@C", "A@B@C"),
            ("", ""),
        ] {
            assert_eq!(fold(value), folded, "{value}");
            assert_eq!(fold(folded), folded);
        }
    }

    #[test]
    fn fields_are_found_at_their_paths() {
        for (path, field) in [
            ("actor.user.uid", Some(Field::Actor)),
            ("user.email_addr", Some(Field::Actor)),
            ("actor.invoked_by", Some(Field::Actor)),
            ("src_endpoint.owner.name", Some(Field::Actor)),
            ("activity_name", Some(Field::Action)),
            ("class_uid", Some(Field::Class)),
            ("status_id", Some(Field::Status)),
            ("resources[0].uid", Some(Field::Resource)),
            ("resources[12].name", Some(Field::Resource)),
            ("web_resources[3].url_string", Some(Field::Resource)),
            ("file.path", Some(Field::Resource)),
            ("src_endpoint.ip", Some(Field::Ip)),
            ("web_resources[3].uid", None),
            ("resources[0].owner.uid", None),
            ("dst_endpoint.ip", None),
            ("unmapped.resources[0].uid", None),
            ("$received", None),
        ] {
            assert_eq!(Field::of_path(path), field, "{path}");
        }
    }

    #[test]
    fn ids_never_change() {
        let ids: Vec<_> = Field::ALL.iter().map(|field| (field.id(), field.name())).collect();
        let expected = [
            (1, "source"),
            (2, "actor"),
            (3, "action"),
            (4, "class"),
            (5, "status"),
            (6, "resource"),
            (7, "ip"),
            (8, "retention"),
            (9, "subject"),
            (10, "person"),
        ];
        assert_eq!(ids, expected);
    }

    #[test]
    fn a_token_is_the_hmac_of_field_and_folded_value() {
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(b"actor\0ann@example.com");
        let expected: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tokens = Tokens::new(&[7; 32]);
        for _ in 0..2 {
            let term = tokens.term(Field::Actor, "Ann@Example.com");
            assert_eq!((term.field, term.token.0.as_slice()), (2, &expected[..8]));
        }
        assert_ne!(tokens.term(Field::Resource, "ann@example.com").token.0, expected[..8]);
        assert_ne!(Tokens::new(&[8; 32]).term(Field::Actor, "ann@example.com").token.0, expected[..8]);
    }

    #[test]
    fn a_record_has_each_term_once_and_none_of_what_was_dropped() {
        let attributes = [
            attribute("actor.user.email_addr", Value::Dropped([9; 32])),
            attribute("actor.user.name", Value::Text("ann".into())),
            attribute("actor.user.uid", Value::Text("ann".into())),
            attribute("class_uid", Value::Integer(3002)),
            attribute("user.name", Value::Text(String::new())),
        ];
        let mut tokens = Tokens::new(&[7; 32]);
        let terms = tokens.terms(Some("okta-prod"), &attributes);
        let mut expected = [
            tokens.term(Field::Source, "okta-prod"),
            tokens.term(Field::Actor, "ann"),
            tokens.term(Field::Class, "3002"),
        ];
        expected.sort_unstable();
        assert_eq!(terms, expected);
    }
}
