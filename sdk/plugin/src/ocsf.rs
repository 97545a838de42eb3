//! OCSF 1.8.0: the classes that access logs need, and their activities.

/// The version that `metadata.version` names.
pub const VERSION: &str = "1.8.0";

/// What a required text says when the source does not tell.
pub const UNKNOWN: &str = "unknown";

/// An event class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// `class_uid`; its thousands are `category_uid`.
    pub uid: u32,
    /// The names of activities 1, 2, 3 and so on; 0 is Unknown and 99 Other in every class.
    pub activities: &'static [&'static str],
}

/// Account Change: a life cycle of accounts, `user` required.
pub const ACCOUNT_CHANGE: Class = Class {
    uid: 3001,
    activities: &[
        "Create",
        "Enable",
        "Password Change",
        "Password Reset",
        "Disable",
        "Delete",
        "Attach Policy",
        "Detach Policy",
        "Lock",
        "MFA Factor Enable",
        "MFA Factor Disable",
        "Unlock",
    ],
};

/// Authentication: `user`, and `service` or `dst_endpoint` required.
pub const AUTHENTICATION: Class = Class {
    uid: 3002,
    activities: &[
        "Logon",
        "Logoff",
        "Authentication Ticket",
        "Service Ticket Request",
        "Service Ticket Renew",
        "Preauth",
        "Account Switch",
    ],
};

/// Authorize Session: `user` and exactly one of `privileges` and `group` required.
pub const AUTHORIZE_SESSION: Class = Class { uid: 3003, activities: &["Assign Privileges", "Assign Groups"] };

/// Entity Management: `entity` required.
pub const ENTITY_MANAGEMENT: Class = Class {
    uid: 3004,
    activities: &[
        "Create",
        "Read",
        "Update",
        "Delete",
        "Move",
        "Enroll",
        "Unenroll",
        "Enable",
        "Disable",
        "Activate",
        "Deactivate",
        "Suspend",
        "Resume",
    ],
};

/// User Access Management: `user` and `privileges` required.
pub const USER_ACCESS: Class = Class { uid: 3005, activities: &["Assign Privileges", "Revoke Privileges"] };

/// Group Management: `group` required.
pub const GROUP_MANAGEMENT: Class = Class {
    uid: 3006,
    activities: &[
        "Assign Privileges",
        "Revoke Privileges",
        "Add User",
        "Remove User",
        "Delete",
        "Create",
        "Add Subgroup",
        "Remove Subgroup",
    ],
};

/// Web Resources Activity: `web_resources` required.
pub const WEB_RESOURCES_ACTIVITY: Class = Class {
    uid: 6001,
    activities: &["Create", "Read", "Update", "Delete", "Search", "Import", "Export", "Share"],
};

/// API Activity: `actor`, `api.operation` and `src_endpoint` required.
pub const API_ACTIVITY: Class = Class { uid: 6003, activities: &["Create", "Read", "Update", "Delete"] };

/// Datastore Activity: `actor`, `src_endpoint`, and one of `database`, `databucket` and `table` required.
pub const DATASTORE_ACTIVITY: Class = Class {
    uid: 6005,
    activities: &[
        "Read", "Update", "Connect", "Query", "Write", "Create", "Delete", "List", "Encrypt", "Decrypt",
    ],
};

/// File Hosting Activity: `actor`, `file` and `src_endpoint` required.
pub const FILE_HOSTING: Class = Class {
    uid: 6006,
    activities: &[
        "Upload",
        "Download",
        "Update",
        "Delete",
        "Rename",
        "Copy",
        "Move",
        "Restore",
        "Preview",
        "Lock",
        "Unlock",
        "Share",
        "Unshare",
        "Open",
        "Sync",
        "Unsync",
        "Access Check",
    ],
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity<'a> {
    /// One of the class's own, by `activity_id`; 0, or one that the class lacks, is Unknown.
    Known(u8),
    /// Another (`activity_id` 99), in the source's word, which OCSF asks for; an empty word is Unknown.
    Other(&'a str),
}

impl<'a> Activity<'a> {
    /// `activity_id` and `activity_name`.
    #[must_use]
    pub fn resolve(self, class: &Class) -> (u8, &'a str) {
        match self {
            Activity::Other("") => (0, "Unknown"),
            Activity::Other(name) => (99, name),
            Activity::Known(id) => {
                match usize::from(id).checked_sub(1).and_then(|index| class.activities.get(index)) {
                    Some(name) => (id, name),
                    None => (0, "Unknown"),
                }
            }
        }
    }
}

/// How it ended: `status_id` with its caption in `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: the source does not say.
    Unknown,
    /// 1
    Success,
    /// 2
    Failure,
}

impl Status {
    /// The status of an HTTP response: a failure from 400 on, unknown outside 100 to 599.
    #[must_use]
    pub fn of_http(code: i64) -> Self {
        match code {
            100..=399 => Self::Success,
            400..=599 => Self::Failure,
            _ => Self::Unknown,
        }
    }

    /// `status_id`
    #[must_use]
    pub fn id(self) -> i64 {
        match self {
            Self::Unknown => 0,
            Self::Success => 1,
            Self::Failure => 2,
        }
    }

    /// `status`
    #[must_use]
    pub fn caption(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Success => "Success",
            Self::Failure => "Failure",
        }
    }
}

/// OCSF's `http_method` is one of these, in capitals.
pub const HTTP_METHODS: [&str; 9] =
    ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_have_names() {
        assert_eq!(Activity::Known(7).resolve(&ACCOUNT_CHANGE), (7, "Attach Policy"));
        assert_eq!(Activity::Known(17).resolve(&FILE_HOSTING), (17, "Access Check"));
        assert_eq!(Activity::Known(5).resolve(&API_ACTIVITY), (0, "Unknown"));
        assert_eq!(Activity::Known(0).resolve(&API_ACTIVITY), (0, "Unknown"));
        assert_eq!(Activity::Other("Rotate").resolve(&API_ACTIVITY), (99, "Rotate"));
        assert_eq!(Activity::Other("").resolve(&API_ACTIVITY), (0, "Unknown"));
    }
}
