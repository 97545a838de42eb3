//! Normalizes the lines of an archive's badge readers: `2026-03-09T07:58:12Z anna@example.com opened archive`.

use cairnlog_plugin::{EventBuilder, Normalizer, Outcome, Plugin, Raw, ocsf, settings, time};

struct DoorLog;
cairnlog_plugin::export!(normalizer: DoorLog);

impl Plugin for DoorLog {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| DoorLog)
    }
}

impl Normalizer for DoorLog {
    fn normalize(&self, record: &Raw) -> Outcome {
        let line = String::from_utf8_lossy(&record.body);
        let [when, who, what, door] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Outcome::Reject("the line has not four words".into());
        };
        let Some(when) = time::rfc3339(when) else {
            return Outcome::Reject("the first word is no time".into());
        };
        let mut event = EventBuilder::new(&ocsf::API_ACTIVITY, ocsf::Activity::Known(2), when.ms);
        event.text("metadata.product.name", "Door Log");
        event.text("api.operation", what);
        event.user_name("actor.user", who);
        event.text("resources[0].name", door);
        event.text("src_endpoint.name", door);
        event.into_outcome()
    }
}

#[cfg(test)]
mod tests {
    use cairnlog_plugin::testing;

    #[test]
    fn a_line_becomes_an_event() {
        let line = b"2026-03-09T07:58:12Z anna@example.com opened archive";
        let outcomes = testing::normalize(&super::DoorLog, &[line, b"nonsense"]);
        assert_eq!(outcomes[0]["events"][0]["actor"]["user"]["name"], "anna@example.com");
        assert_eq!(outcomes[1]["reject"], "the line has not four words");
    }
}
