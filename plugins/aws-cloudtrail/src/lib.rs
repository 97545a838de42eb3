//! Normalizes AWS `CloudTrail` to OCSF 1.8.0.
//!
//! A raw record is one `CloudTrail` record, or a file as `CloudTrail` delivers it, `{"Records": […]}`, which becomes one event for
//! each of its records. [`choice`] holds the table of classes; everything of a record that has no place in its class is
//! kept under `unmapped`, null members aside.
//!
//! | `CloudTrail` | OCSF |
//! | --- | --- |
//! | `eventID`, `eventName`, `eventVersion`, `sharedEventID` | `metadata.uid`, `.event_code`, `.log_version`, `.correlation_uid` |
//! | `eventTime` | `time`, and as sent `metadata.original_time` |
//! | `eventSource`, `apiVersion`, `requestID` | `api.service.name`, `api.version`, `api.request.uid` |
//! | `requestParameters`, `responseElements` | `api.request.data`, `api.response.data` |
//! | `errorCode`, `errorMessage` | `api.response.error`, `.error_message`; `status_id` |
//! | `userIdentity` | `actor` (in Authentication: `user` and `session`) |
//! | `sourceIPAddress` | `src_endpoint.ip`, else `.svc_name` for a host name, else `.name` |
//! | `vpcEndpointId` | `src_endpoint.uid` |
//! | `awsRegion`, `recipientAccountId` | `cloud.region`, `cloud.account.uid` |
//! | `resources` | `resources` where the class has them |

mod choice;
mod identity;
mod record;

use cairnlog_plugin::json::{self, Json};
use cairnlog_plugin::{Attribute, Normalizer, Outcome, Plugin, Raw, settings};

pub use choice::{Choice, choose};

/// The plugin. It takes no config.
#[derive(Clone, Copy, Debug)]
pub struct CloudTrail;

cairnlog_plugin::export!(normalizer: CloudTrail);

impl Plugin for CloudTrail {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Normalizer for CloudTrail {
    fn normalize(&self, record: &Raw) -> Outcome {
        if record.body.trim_ascii().is_empty() {
            return Outcome::Skip("an empty record".to_owned());
        }
        let mut object = match json::parse(&record.body) {
            Ok(object) => object,
            Err(reason) => return Outcome::Reject(reason),
        };
        let Some(Json::List(records)) = object.get("Records") else {
            return record::event(object).map_or_else(Outcome::Reject, |event| Outcome::Events(vec![event]));
        };
        if records.is_empty() {
            return Outcome::Skip("a file without records".to_owned());
        }
        let records = object.take_list("Records").unwrap_or_default();
        if !object.is_empty() {
            return Outcome::Reject("a file of records with other members beside them".to_owned());
        }
        file(records).map_or_else(Outcome::Reject, Outcome::Events)
    }
}

/// All records of a file or none: what can't be read must not be lost among what can.
fn file(records: Vec<Json<'_>>) -> Result<Vec<Vec<Attribute>>, String> {
    let event = |(index, record)| match record {
        Json::Object(object) => {
            record::event(object).map_err(|reason| format!("record {index} of the file: {reason}"))
        }
        _ => Err(format!("record {index} of the file is not an object")),
    };
    records.into_iter().enumerate().map(event).collect()
}
