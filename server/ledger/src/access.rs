//! Who read or changed what: an event of OCSF's class API Activity, as the control log says it.

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

/// OCSF's class API Activity.
const CLASS_UID: i64 = 6003;

/// What somebody did.
///
/// It has no `Debug`: what was looked for may be a person.
#[derive(Clone, PartialEq)]
pub struct Access {
    attributes: Vec<Attribute>,
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
}

impl Access {
    /// What the token `by` did at `time_ms` to `resource` (`hr`, `hr/42`): an operation such as `records.read`.
    #[must_use]
    pub fn new(by: String, activity: Activity, action: &str, resource: String, time_ms: u64) -> Self {
        let integer =
            |path: &str, value: i64| Attribute { path: path.to_owned(), value: Value::Integer(value) };
        let text = |path: &str, value: String| Attribute { path: path.to_owned(), value: Value::Text(value) };
        let activity = activity as i64;
        let attributes = vec![
            integer("activity_id", activity),
            text("actor.user.uid", by),
            text("api.operation", action.to_owned()),
            text("api.service.name", "cairnlog".to_owned()),
            integer("category_uid", CLASS_UID / 1000),
            integer("class_uid", CLASS_UID),
            text("metadata.product.name", "Cairnlog".to_owned()),
            text("metadata.product.vendor_name", "Cairnlog".to_owned()),
            text("metadata.version", "1.8.0".to_owned()),
            text("resources[0].name", resource),
            integer("severity_id", 1),
            integer("status_id", 1),
            integer("time", i64::try_from(time_ms).unwrap_or(i64::MAX)),
            integer("type_uid", CLASS_UID * 100 + activity),
        ];
        Self { attributes }
    }

    /// A change of the rules of a log that can't say it itself.
    #[must_use]
    pub(crate) fn of_change(by: String, action: &str, log: &str, said: Vec<Attribute>, time_ms: u64) -> Self {
        Self::new(by, Activity::Update, action, log.to_owned(), time_ms).with(said)
    }

    /// Adds what else is to be said, below `unmapped`.
    #[must_use]
    pub fn with(mut self, said: impl IntoIterator<Item = Attribute>) -> Self {
        let below = |Attribute { path, value }| Attribute { path: format!("unmapped.{path}"), value };
        self.attributes.extend(said.into_iter().map(below));
        self
    }

    /// The attributes, in the order of their paths.
    pub(crate) fn into_attributes(mut self) -> Vec<Attribute> {
        self.attributes.sort_by(|left, right| left.path.cmp(&right.path));
        self.attributes
    }
}
