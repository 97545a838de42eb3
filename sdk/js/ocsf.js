// OCSF 1.8.0: the classes that access logs need, and their activities.

/** The version that `metadata.version` names. */
export const VERSION = "1.8.0";

/** What a required text says when the source does not tell. */
export const UNKNOWN = "unknown";

/** Account Change: a life cycle of accounts, `user` required. */
export const ACCOUNT_CHANGE = { uid: 3001, activities: [
  "Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy", "Detach Policy",
  "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock",
] };

/** Authentication: `user`, and `service` or `dst_endpoint` required. */
export const AUTHENTICATION = { uid: 3002, activities: [
  "Logon", "Logoff", "Authentication Ticket", "Service Ticket Request", "Service Ticket Renew", "Preauth",
  "Account Switch",
] };

/** Authorize Session: `user` and exactly one of `privileges` and `group` required. */
export const AUTHORIZE_SESSION = { uid: 3003, activities: ["Assign Privileges", "Assign Groups"] };

/** Entity Management: `entity` required. */
export const ENTITY_MANAGEMENT = { uid: 3004, activities: [
  "Create", "Read", "Update", "Delete", "Move", "Enroll", "Unenroll", "Enable", "Disable", "Activate",
  "Deactivate", "Suspend", "Resume",
] };

/** User Access Management: `user` and `privileges` required. */
export const USER_ACCESS = { uid: 3005, activities: ["Assign Privileges", "Revoke Privileges"] };

/** Group Management: `group` required. */
export const GROUP_MANAGEMENT = { uid: 3006, activities: [
  "Assign Privileges", "Revoke Privileges", "Add User", "Remove User", "Delete", "Create", "Add Subgroup",
  "Remove Subgroup",
] };

/** Web Resources Activity: `web_resources` required. */
export const WEB_RESOURCES_ACTIVITY = { uid: 6001, activities: [
  "Create", "Read", "Update", "Delete", "Search", "Import", "Export", "Share",
] };

/** API Activity: `actor`, `api.operation` and `src_endpoint` required. */
export const API_ACTIVITY = { uid: 6003, activities: ["Create", "Read", "Update", "Delete"] };

/** Datastore Activity: `actor`, `src_endpoint`, and one of `database`, `databucket` and `table` required. */
export const DATASTORE_ACTIVITY = { uid: 6005, activities: [
  "Read", "Update", "Connect", "Query", "Write", "Create", "Delete", "List", "Encrypt", "Decrypt",
] };

/** File Hosting Activity: `actor`, `file` and `src_endpoint` required. */
export const FILE_HOSTING = { uid: 6006, activities: [
  "Upload", "Download", "Update", "Delete", "Rename", "Copy", "Move", "Restore", "Preview", "Lock", "Unlock",
  "Share", "Unshare", "Open", "Sync", "Unsync", "Access Check",
] };

/** How it ended: `status_id` with its caption in `status`. */
export const Status = {
  UNKNOWN: { id: 0, caption: "Unknown" },
  SUCCESS: { id: 1, caption: "Success" },
  FAILURE: { id: 2, caption: "Failure" },
};

/** The status of an HTTP response: a failure from 400 on, unknown outside 100 to 599. */
export function statusOfHttp(code) {
  if (code >= 100 && code < 400) return Status.SUCCESS;
  return code >= 400 && code < 600 ? Status.FAILURE : Status.UNKNOWN;
}

/**
 * `activity_id` and `activity_name`. A number is one of the class's own activities; a text is another (99), in the
 * source's word. What the class lacks, and an empty word, is Unknown.
 */
export function resolveActivity(ocsfClass, activity) {
  if (typeof activity === "string") return activity === "" ? [0, "Unknown"] : [99, activity.toWellFormed()];
  const name = ocsfClass.activities[activity - 1];
  return name === undefined ? [0, "Unknown"] : [activity, name];
}
