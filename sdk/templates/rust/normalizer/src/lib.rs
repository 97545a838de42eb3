//! Normalizes JSON records: `time`, `user`, `action`, and whatever else they hold.

use cairnlog_plugin::{EventBuilder, Normalizer, Outcome, Plugin, Raw, json, ocsf, settings, time};

/// The plugin. It takes no config.
pub struct JsonRecords;
cairnlog_plugin::export!(normalizer: JsonRecords);

impl Plugin for JsonRecords {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Normalizer for JsonRecords {
    fn normalize(&self, record: &Raw) -> Outcome {
        event(record).map_or_else(Outcome::Reject, EventBuilder::into_outcome)
    }
}

/// The event, or why there is none. The reason goes to the sender: it says what is wrong, never what the record holds.
fn event(record: &Raw) -> Result<EventBuilder, String> {
    let mut object = json::parse(&record.body)?;
    let when = object.take_text("time").and_then(|when| time::rfc3339(&when)).ok_or("`time` is no RFC 3339 time")?;
    let (Some(user), Some(action)) = (object.take_text("user"), object.take_text("action")) else {
        return Err("`user` and `action` must be texts".to_owned());
    };
    // 2 is Read.
    let mut event = EventBuilder::new(&ocsf::API_ACTIVITY, ocsf::Activity::Known(2), when.ms);
    event.text("metadata.product.name", "{{name}}");
    event.text("api.operation", action);
    event.user_name("actor.user", &user);
    event.text("src_endpoint.name", ocsf::UNKNOWN);
    event.unmapped(&object);
    Ok(event)
}

#[cfg(test)]
mod tests {
    use cairnlog_plugin::testing;

    #[test]
    fn a_record_becomes_an_event() {
        let good = br#"{"time": "2026-03-09T07:58:12Z", "user": "anna", "action": "open"}"#;
        let outcomes = testing::normalize(&super::JsonRecords, &[good, b"nonsense"]);
        assert_eq!(outcomes[0]["events"][0]["actor"]["user"]["name"], "anna");
        assert_eq!(outcomes[1]["reject"], "the record is not JSON (line 1, column 2)");
    }
}
