//! Who read or changed what: an event of OCSF's class API Activity, as the control log says it.

use std::net::IpAddr;

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use sha2::{Digest as _, Sha256};

/// OCSF's class API Activity.
const CLASS_UID: i64 = 6003;

/// Where a request came from, if nobody knows.
const NOWHERE: &str = "Unknown";

/// The attribute that says when it was.
const TIME: &str = "time";

/// Who does something.
///
/// It has no `Debug`: a token may be named after a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Who {
    /// The id of a token, or `server`.
    pub uid: String,
    /// What the token is called.
    pub name: Option<String>,
    /// Where the request came from.
    pub ip: Option<IpAddr>,
}

impl Who {
    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Self::from("server")
    }
}

impl From<String> for Who {
    /// Of whom no more is known than the id of a token.
    fn from(uid: String) -> Self {
        Self { uid, name: None, ip: None }
    }
}

impl From<&str> for Who {
    fn from(uid: &str) -> Self {
        Self::from(uid.to_owned())
    }
}

/// What somebody did.
///
/// It has no `Debug`: what was looked for may be a person.
#[derive(Clone, PartialEq)]
pub struct Access {
    attributes: Vec<Attribute>,
    resources: usize,
}

/// What kind of thing was done, as OCSF numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Something was made.
    Create = 1,
    /// Something was read.
    Read = 2,
    /// Something was changed.
    Update = 3,
    /// Something was deleted.
    Delete = 4,
    /// Requests were refused; OCSF has no number of its own for that.
    Refuse = 99,
}

impl Access {
    /// What `who` did at `time_ms`: an operation such as `records.read`.
    #[must_use]
    pub fn new(who: &Who, activity: Activity, operation: &str, time_ms: u64) -> Self {
        let refused = activity == Activity::Refuse;
        let activity_id = activity as i64;
        let mut access = Self { attributes: Vec::new(), resources: 0 };
        access.text("actor.user.uid", &who.uid);
        if let Some(name) = &who.name {
            access.text("actor.user.name", name);
        }
        match who.ip {
            Some(ip) => access.text("src_endpoint.ip", &ip.to_string()),
            None => access.text("src_endpoint.name", NOWHERE),
        }
        if refused {
            access.text("activity_name", "Refuse");
        }
        for (path, text) in [
            ("api.operation", operation),
            ("api.service.name", "cairnlog"),
            ("metadata.product.name", "Cairnlog"),
            ("metadata.product.vendor_name", "Cairnlog"),
            ("metadata.version", "1.8.0"),
        ] {
            access.text(path, text);
        }
        for (path, integer) in [
            ("activity_id", activity_id),
            ("category_uid", CLASS_UID / 1000),
            ("class_uid", CLASS_UID),
            ("severity_id", 1),
            ("status_id", if refused { 2 } else { 1 }),
            (TIME, i64::try_from(time_ms).unwrap_or(i64::MAX)),
            ("type_uid", CLASS_UID * 100 + activity_id),
        ] {
            access.push(path.to_owned(), Value::Integer(integer));
        }
        access
    }

    /// A change of the rules of a log that can't say it itself.
    #[must_use]
    pub(crate) fn of_change(by: String, action: &str, log: &str, said: Vec<Attribute>, time_ms: u64) -> Self {
        Self::new(&Who::from(by), Activity::Update, action, time_ms).of("log", log).with(said)
    }

    /// Names what it was done to: a `log` called `hr`, a `record` called `hr/42`.
    #[must_use]
    pub fn of(mut self, kind: &str, name: &str) -> Self {
        let number = self.resources;
        self.text(&format!("resources[{number}].name"), name);
        self.text(&format!("resources[{number}].type"), kind);
        self.resources += 1;
        self
    }

    /// Adds what else is to be said, below `unmapped`.
    #[must_use]
    pub fn with(mut self, said: impl IntoIterator<Item = Attribute>) -> Self {
        for Attribute { path, value } in said {
            self.push(format!("unmapped.{path}"), value);
        }
        self
    }

    /// The same for two that say the same but for when it was.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for Attribute { path, value } in self.attributes.iter().filter(|attribute| attribute.path != TIME) {
            for part in [path.as_bytes(), &value.to_bytes()] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        hasher.finalize().into()
    }

    fn text(&mut self, path: &str, text: &str) {
        self.push(path.to_owned(), Value::Text(text.to_owned()));
    }

    fn push(&mut self, path: String, value: Value) {
        self.attributes.push(Attribute { path, value });
    }

    /// The attributes, in the order of their paths.
    pub(crate) fn into_attributes(mut self) -> Vec<Attribute> {
        self.attributes.sort_by(|left, right| left.path.cmp(&right.path));
        self.attributes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use cairnlog_verify::event::Event;

    use super::*;

    const NOW_MS: u64 = 1_795_424_400_000;

    fn read(index: u64, time_ms: u64) -> Access {
        let who = Who { name: Some("Ann".to_owned()), ip: Some([192, 0, 2, 1].into()), ..Who::from("a") };
        let said = Attribute { path: "found".to_owned(), value: Value::Integer(7) };
        Access::new(&who, Activity::Read, "records.read", time_ms)
            .of("log", "hr")
            .of("record", &format!("hr/{index}"))
            .with([said])
    }

    #[test]
    fn all_are_events_that_the_host_would_take_from_a_plugin() {
        let refused = Access::new(&Who::server(), Activity::Refuse, "requests.refuse", NOW_MS);
        let change = Access::of_change("a".to_owned(), "keys.rotate", "hr", Vec::new(), NOW_MS);
        for access in [read(1, NOW_MS), refused, change] {
            let attributes = access.into_attributes();
            let event = Event::new(attributes.clone()).unwrap();
            assert_eq!(cairnlog_host::ocsf::violations(&event), Vec::<String>::new());
            assert!(event.into_attributes() == attributes, "in the order of their paths");
        }
    }

    #[test]
    fn those_that_say_the_same_at_another_time_have_one_digest() {
        assert_eq!(read(1, NOW_MS).digest(), read(1, NOW_MS + 1).digest());
        assert_ne!(read(1, NOW_MS).digest(), read(2, NOW_MS).digest());
    }
}
