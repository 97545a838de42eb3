//! Building an event.

use std::borrow::Cow;

use crate::flatten::{self, Flattener};
use crate::json::{Json, Object};
use crate::limits::{ATTRIBUTES_MAX, MEMBER_ATTRIBUTES_MAX, PATH_BYTES_MAX, VALUE_BYTES_MAX};
use crate::ocsf::{Activity, Class, Status, VERSION};
use crate::{Attribute, Outcome, Value, net};

/// An event under construction. Paths are given whole, as in OCSF (`actor.user.name`, `resources[0].uid`); each at most once.
#[derive(Debug)]
pub struct EventBuilder {
    attributes: Vec<Attribute>,
}

/// Attributes that an ordinary event has room for without growing.
const ATTRIBUTES_USUAL: usize = 64;

impl EventBuilder {
    /// Starts an event with what OCSF requires of all: category, class, activity and its name, type, severity Informational,
    /// time (milliseconds since the epoch) and `metadata.version`. `metadata.product.name` is left to the caller.
    #[must_use]
    pub fn new(class: &Class, activity: Activity<'_>, time_ms: i64) -> Self {
        let (activity_id, activity_name) = activity.resolve(class);
        let mut event = Self { attributes: Vec::with_capacity(ATTRIBUTES_USUAL) };
        event.integer("category_uid", i64::from(class.uid / 1_000));
        event.integer("class_uid", i64::from(class.uid));
        event.integer("activity_id", i64::from(activity_id));
        event.text("activity_name", activity_name);
        event.integer("type_uid", i64::from(class.uid) * 100 + i64::from(activity_id));
        event.integer("severity_id", 1);
        event.integer("time", time_ms);
        event.text("metadata.version", VERSION);
        event
    }

    /// Adds a text.
    pub fn text(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.push(path, Value::Text(value.into()));
    }

    /// Adds a text that the source may have given.
    pub fn text_if(&mut self, path: impl Into<String>, value: Option<Cow<'_, str>>) {
        if let Some(value) = value {
            self.push(path, Value::Text(value.into_owned()));
        }
    }

    /// Adds a whole number.
    pub fn integer(&mut self, path: impl Into<String>, value: i64) {
        self.push(path, Value::Integer(value));
    }

    /// Adds a boolean.
    pub fn boolean(&mut self, path: impl Into<String>, value: bool) {
        self.push(path, Value::Boolean(value));
    }

    /// Adds `status_id` and `status`.
    pub fn status(&mut self, status: Status) {
        self.integer("status_id", status.id());
        self.text("status", status.caption());
    }

    /// Adds a user's name, and its e-mail address if the name is one. `user` is the user's own path, `actor.user`.
    pub fn user_name(&mut self, user: &str, name: &str) {
        if net::is_email(name) {
            self.text([user, ".email_addr"].concat(), name);
        }
        self.text([user, ".name"].concat(), name);
    }

    /// Adds source JSON that has a place of its own (OCSF's `json_t`, such as `api.request.data`), its containers flattened.
    /// `path` consists of bare segments.
    pub fn json(&mut self, path: &str, value: &Json<'_>) {
        let segments = path.split('.').count();
        let fits = flatten::count(value) <= ATTRIBUTES_MAX / 4;
        match value {
            Json::Null => {}
            Json::List(_) | Json::Object(_) if !fits => {
                let text = value.to_text();
                Flattener::new(&mut self.attributes, path, segments).value(&Json::Text(Cow::Owned(text)));
            }
            _ => Flattener::new(&mut self.attributes, path, segments).value(value),
        }
    }

    /// Adds what is left of the source record under `unmapped`. Should the event not fit its limits, members that would become
    /// many attributes are kept as JSON text.
    pub fn unmapped(&mut self, rest: &Object<'_>) {
        let count: usize = rest.members().map(|(_, value)| flatten::count(value)).sum();
        let mut flattener = Flattener::new(&mut self.attributes, "unmapped", 1);
        if count <= ATTRIBUTES_MAX / 2 {
            flattener.members(rest);
            return;
        }
        for (key, value) in rest.members().filter(|(_, value)| !matches!(value, Json::Null)) {
            flattener.member(key, value, flatten::count(value) > MEMBER_ATTRIBUTES_MAX);
        }
    }

    /// The event's attributes.
    ///
    /// # Errors
    /// A reason for a reject if a limit of the host is exceeded.
    pub fn finish(self) -> Result<Vec<Attribute>, String> {
        let too_long = |value: &Value| matches!(value, Value::Text(text) if text.len() > VALUE_BYTES_MAX);
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(format!("the record has more than {ATTRIBUTES_MAX} attributes"));
        }
        if self.attributes.iter().any(|attribute| attribute.path.len() > PATH_BYTES_MAX) {
            return Err(format!(
                "the record has a key that makes a path of more than {PATH_BYTES_MAX} bytes"
            ));
        }
        if self.attributes.iter().any(|attribute| too_long(&attribute.value)) {
            return Err(format!("the record has a value of more than {VALUE_BYTES_MAX} bytes"));
        }
        Ok(self.attributes)
    }

    /// The outcome of a raw record that holds this one event.
    #[must_use]
    pub fn into_outcome(self) -> Outcome {
        self.finish().map_or_else(Outcome::Reject, |event| Outcome::Events(vec![event]))
    }

    fn push(&mut self, path: impl Into<String>, value: Value) {
        self.attributes.push(Attribute { path: path.into(), value });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::json;
    use crate::ocsf::API_ACTIVITY;

    fn with_rest(rest: &str) -> Result<Vec<Attribute>, String> {
        let mut event = EventBuilder::new(&API_ACTIVITY, Activity::Known(2), 0);
        event.unmapped(&json::parse(rest.as_bytes()).unwrap());
        event.finish()
    }

    #[test]
    fn a_member_that_would_burst_the_event_is_kept_as_text() {
        let long = format!("[{}]", vec!["1"; 5_000].join(","));
        let event = with_rest(&format!("{{\"long\":{long},\"short\":[true]}}")).unwrap();
        let find = |path: &str| {
            event.iter().find(|attribute| attribute.path == path).map(|attribute| &attribute.value)
        };
        assert_eq!(find("unmapped.long"), Some(&Value::Text(long)));
        assert_eq!(find("unmapped.short[0]"), Some(&Value::Boolean(true)));
    }

    #[test]
    fn what_fits_no_way_is_refused() {
        let members: Vec<String> = (0..5_000).map(|key| format!("\"k{key}\":1")).collect();
        assert_eq!(
            with_rest(&format!("{{{}}}", members.join(","))).unwrap_err(),
            "the record has more than 4096 attributes"
        );
        let key = "k".repeat(2_000);
        assert_eq!(
            with_rest(&format!("{{\"{key}\":1}}")).unwrap_err(),
            "the record has a key that makes a path of more than 1024 bytes"
        );
    }
}
