//! Which class and activity a `CloudTrail` event becomes.
//!
//! OCSF leaves it open which provider's calls are account changes and which mere API activity, so the choice is written down
//! here, by `eventSource` and `eventName`. What the table does not name is API Activity, by the verb the name begins with, then
//! by `readOnly`; a call that neither tells is activity 99 under its own name. A row whose class requires what a record lacks
//! (a target user, a group, a bucket) does not apply to that record.

use cairnlog_plugin::ocsf::{
    ACCOUNT_CHANGE, API_ACTIVITY, AUTHENTICATION, Activity, Class, DATASTORE_ACTIVITY, GROUP_MANAGEMENT,
};

/// Class and activity of an event, and what besides its class asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The class.
    pub class: Class,
    /// The activity within it.
    pub activity: Activity<'a>,
    /// Where the class's object is found.
    pub target: Target,
}

/// Where the object that a class requires is found in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The class requires none.
    None,
    /// The user is who calls.
    Caller,
    /// The user is `requestParameters.userName`.
    NamedUser,
    /// The user is `requestParameters.userName`, or who calls if it is not given.
    NamedUserOrCaller,
    /// The group is `requestParameters.groupName`.
    Group,
    /// The bucket is `requestParameters.bucketName`.
    Bucket,
}

const IAM: &str = "iam.amazonaws.com";
const SIGN_IN: &str = "signin.amazonaws.com";
const S3: &str = "s3.amazonaws.com";

/// `eventSource`, `eventName`, class, activity, target.
const TABLE: &[(&str, &str, Class, u8, Target)] = &[
    (SIGN_IN, "ConsoleLogin", AUTHENTICATION, 1, Target::Caller),
    (SIGN_IN, "CheckMfa", AUTHENTICATION, 6, Target::Caller),
    (SIGN_IN, "SwitchRole", AUTHENTICATION, 7, Target::Caller),
    (SIGN_IN, "PasswordUpdated", ACCOUNT_CHANGE, 3, Target::Caller),
    (SIGN_IN, "PasswordRecoveryCompleted", ACCOUNT_CHANGE, 4, Target::Caller),
    (IAM, "CreateUser", ACCOUNT_CHANGE, 1, Target::NamedUser),
    (IAM, "CreateLoginProfile", ACCOUNT_CHANGE, 2, Target::NamedUserOrCaller),
    (IAM, "ChangePassword", ACCOUNT_CHANGE, 3, Target::Caller),
    (IAM, "UpdateLoginProfile", ACCOUNT_CHANGE, 4, Target::NamedUser),
    (IAM, "DeleteLoginProfile", ACCOUNT_CHANGE, 5, Target::NamedUserOrCaller),
    (IAM, "DeleteUser", ACCOUNT_CHANGE, 6, Target::NamedUser),
    (IAM, "AttachUserPolicy", ACCOUNT_CHANGE, 7, Target::NamedUser),
    (IAM, "PutUserPolicy", ACCOUNT_CHANGE, 7, Target::NamedUser),
    (IAM, "DetachUserPolicy", ACCOUNT_CHANGE, 8, Target::NamedUser),
    (IAM, "DeleteUserPolicy", ACCOUNT_CHANGE, 8, Target::NamedUser),
    (IAM, "EnableMFADevice", ACCOUNT_CHANGE, 10, Target::NamedUserOrCaller),
    (IAM, "DeactivateMFADevice", ACCOUNT_CHANGE, 11, Target::NamedUserOrCaller),
    (IAM, "UpdateUser", ACCOUNT_CHANGE, 99, Target::NamedUser),
    (IAM, "AttachGroupPolicy", GROUP_MANAGEMENT, 1, Target::Group),
    (IAM, "PutGroupPolicy", GROUP_MANAGEMENT, 1, Target::Group),
    (IAM, "DetachGroupPolicy", GROUP_MANAGEMENT, 2, Target::Group),
    (IAM, "DeleteGroupPolicy", GROUP_MANAGEMENT, 2, Target::Group),
    (IAM, "AddUserToGroup", GROUP_MANAGEMENT, 3, Target::Group),
    (IAM, "RemoveUserFromGroup", GROUP_MANAGEMENT, 4, Target::Group),
    (IAM, "DeleteGroup", GROUP_MANAGEMENT, 5, Target::Group),
    (IAM, "CreateGroup", GROUP_MANAGEMENT, 6, Target::Group),
];

/// `eventName` of S3 events about objects, and the Datastore activity. Other data events of S3 are activity 99.
const S3_OBJECTS: &[(&str, u8)] = &[
    ("GetObject", 1),
    ("GetObjectAcl", 1),
    ("GetObjectAttributes", 1),
    ("GetObjectLegalHold", 1),
    ("GetObjectRetention", 1),
    ("GetObjectTagging", 1),
    ("GetObjectTorrent", 1),
    ("HeadBucket", 1),
    ("HeadObject", 1),
    ("PutObjectAcl", 2),
    ("PutObjectLegalHold", 2),
    ("PutObjectRetention", 2),
    ("PutObjectTagging", 2),
    ("DeleteObjectTagging", 2),
    ("RenameObject", 2),
    ("RestoreObject", 2),
    ("SelectObjectContent", 4),
    ("CompleteMultipartUpload", 5),
    ("CopyObject", 5),
    ("CreateMultipartUpload", 5),
    ("PostObject", 5),
    ("PutObject", 5),
    ("UploadPart", 5),
    ("UploadPartCopy", 5),
    ("WriteGetObjectResponse", 5),
    ("AbortMultipartUpload", 7),
    ("DeleteObject", 7),
    ("DeleteObjects", 7),
    ("ListMultipartUploads", 8),
    ("ListObjects", 8),
    ("ListObjectsV2", 8),
    ("ListObjectVersions", 8),
    ("ListParts", 8),
];

/// The verbs that `eventName` begins with, by API activity: 1 create, 2 read, 3 update, 4 delete.
const VERBS: [(u8, &[&str]); 4] = [
    (
        1,
        &[
            "Add",
            "Allocate",
            "BatchCreate",
            "Clone",
            "Copy",
            "Create",
            "Import",
            "Launch",
            "Provision",
            "Register",
            "Run",
        ],
    ),
    (
        2,
        &[
            "BatchDescribe",
            "BatchGet",
            "Check",
            "Describe",
            "Discover",
            "Download",
            "Estimate",
            "Filter",
            "Get",
            "Head",
            "List",
            "Lookup",
            "Preview",
            "Query",
            "Scan",
            "Search",
            "Select",
            "Simulate",
            "Test",
            "Validate",
            "Verify",
            "View",
        ],
    ),
    (
        3,
        &[
            "Accept",
            "Activate",
            "Apply",
            "Assign",
            "Associate",
            "Attach",
            "Authorize",
            "BatchUpdate",
            "Change",
            "Configure",
            "Deactivate",
            "Detach",
            "Disable",
            "Disassociate",
            "Enable",
            "Grant",
            "Merge",
            "Modify",
            "Move",
            "Pause",
            "Promote",
            "Put",
            "Reboot",
            "Rebuild",
            "Reject",
            "Rename",
            "Replace",
            "Reset",
            "Restart",
            "Restore",
            "Resume",
            "Revoke",
            "Rotate",
            "Set",
            "Start",
            "Stop",
            "Suspend",
            "Tag",
            "Unassign",
            "Untag",
            "Update",
            "Upgrade",
        ],
    ),
    (
        4,
        &[
            "BatchDelete",
            "Delete",
            "Deprovision",
            "Deregister",
            "Destroy",
            "Disassemble",
            "Purge",
            "Release",
            "Remove",
            "Terminate",
            "Unregister",
        ],
    ),
];

/// Chooses by a record's `eventSource`, `eventName` and `readOnly`, and whether it is a data event.
#[must_use]
pub fn choose<'a>(source: &str, name: &'a str, read_only: Option<bool>, is_data: bool) -> Choice<'a> {
    if is_data && source == S3 {
        let known = S3_OBJECTS.iter().find(|(object, _)| *object == name);
        let activity = known.map_or(Activity::Other(name), |(_, activity)| Activity::Known(*activity));
        return Choice { class: DATASTORE_ACTIVITY, activity, target: Target::Bucket };
    }
    match TABLE.iter().find(|row| row.0 == source && row.1 == name) {
        Some((_, _, class, 99, target)) => {
            Choice { class: *class, activity: Activity::Other(name), target: *target }
        }
        Some((_, _, class, activity, target)) => {
            Choice { class: *class, activity: Activity::Known(*activity), target: *target }
        }
        None => api_activity(name, read_only),
    }
}

/// API Activity by verb, then by `readOnly`.
pub(crate) fn api_activity(name: &str, read_only: Option<bool>) -> Choice<'_> {
    let begins = |verb: &&str| {
        name.strip_prefix(*verb).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_lowercase()))
    };
    let activity = match VERBS.iter().find(|(_, verbs)| verbs.iter().any(begins)) {
        Some((activity, _)) => Activity::Known(*activity),
        None if read_only == Some(true) => Activity::Known(2),
        None => Activity::Other(name),
    };
    Choice { class: API_ACTIVITY, activity, target: Target::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<'a>(
        source: &str,
        name: &'a str,
        read_only: Option<bool>,
        is_data: bool,
    ) -> (u32, Activity<'a>) {
        let choice = choose(source, name, read_only, is_data);
        (choice.class.uid, choice.activity)
    }

    #[test]
    fn the_table_decides_first() {
        for (source, name, class, activity) in [
            (SIGN_IN, "ConsoleLogin", 3002, 1),
            (IAM, "CreateUser", 3001, 1),
            (IAM, "DeleteUser", 3001, 6),
            (IAM, "AttachUserPolicy", 3001, 7),
            (IAM, "AddUserToGroup", 3006, 3),
        ] {
            assert_eq!(
                chosen(source, name, Some(false), false),
                (class, Activity::Known(activity)),
                "{name}"
            );
        }
        assert_eq!(
            chosen("cognito-idp.amazonaws.com", "CreateUser", Some(false), false),
            (6003, Activity::Known(1))
        );
        assert_eq!(chosen(IAM, "UpdateUser", Some(false), false), (3001, Activity::Other("UpdateUser")));
    }

    #[test]
    fn rows_are_unique_and_name_activities_of_their_class() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..index].iter().all(|other| (other.0, other.1) != (row.0, row.1)),
                "{} twice",
                row.1
            );
            assert!(row.3 == 99 || usize::from(row.3) <= row.2.activities.len(), "{}", row.1);
        }
        assert!(S3_OBJECTS.iter().all(|row| usize::from(row.1) <= DATASTORE_ACTIVITY.activities.len()));
    }

    #[test]
    fn objects_of_s3_are_a_datastore() {
        assert_eq!(chosen(S3, "GetObject", Some(true), true), (6005, Activity::Known(1)));
        assert_eq!(chosen(S3, "DeleteObject", Some(false), true), (6005, Activity::Known(7)));
        assert_eq!(chosen(S3, "FutureCall", None, true), (6005, Activity::Other("FutureCall")));
        assert_eq!(chosen(S3, "GetBucketAcl", Some(true), false), (6003, Activity::Known(2)));
        assert_eq!(chosen("dynamodb.amazonaws.com", "GetItem", Some(true), true), (6003, Activity::Known(2)));
    }

    #[test]
    fn others_go_by_verb_then_by_read_only() {
        for (name, read_only, activity) in [
            ("DescribeInstances", None, Activity::Known(2)),
            ("RunInstances", Some(false), Activity::Known(1)),
            ("PutBucketPolicy", Some(false), Activity::Known(3)),
            ("TerminateInstances", Some(false), Activity::Known(4)),
            ("Decrypt", Some(true), Activity::Known(2)),
            ("AssumeRole", Some(true), Activity::Known(2)),
            ("LeaveOrganization", Some(false), Activity::Other("LeaveOrganization")),
            ("Additional", None, Activity::Other("Additional")),
            ("Stop", None, Activity::Known(3)),
            ("", None, Activity::Other("")),
        ] {
            assert_eq!(api_activity(name, read_only).activity, activity, "{name}");
        }
    }

    #[test]
    fn no_verb_stands_twice() {
        let mut verbs: Vec<&str> = VERBS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        let count = verbs.len();
        verbs.sort_unstable();
        verbs.dedup();
        assert_eq!(verbs.len(), count);
    }
}
