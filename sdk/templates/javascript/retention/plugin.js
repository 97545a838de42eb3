// Says which retention class a record is of. What a class means is set in the log, outside any plugin.

import { decision, get, noClass, ocsf, plugin } from "./sdk/cairnlog.js";

const DELETE = 6;

function decide(event) {
  const classUid = get(event, "class_uid");
  if (classUid === undefined) return noClass();
  if (classUid === ocsf.AUTHENTICATION.uid) return decision("sign-in", "authentication");
  if (classUid !== ocsf.ACCOUNT_CHANGE.uid) return decision("default", "all others");
  const subject = get(event, "user.uid");
  if (typeof subject !== "string") return decision("admin-change", "accounts");
  const closes = get(event, "activity_id") === DELETE ? "admin-change" : undefined;
  return decision("admin-change", closes ? "accounts that end" : "accounts", { subject, closes });
}

export const { settings, retention } = plugin({ decide });
