// Normalizes JSON records: `time`, `user`, `action`, and whatever else they hold.

import { EventBuilder, events, ocsf, parseJson, plugin, reject, rfc3339 } from "./sdk/cairnlog.js";

const READ = 2;

function normalize(record) {
  const { time, user, action, ...rest } = parseJson(record.body);
  const when = typeof time === "string" ? rfc3339(time) : undefined;
  if (!when) return reject("`time` is no RFC 3339 time");
  if (typeof user !== "string" || typeof action !== "string") return reject("`user` and `action` must be texts");
  const event = new EventBuilder(ocsf.API_ACTIVITY, READ, when.ms)
    .text("metadata.product.name", "{{name}}")
    .text("api.operation", action)
    .userName("actor.user", user)
    .text("src_endpoint.name", ocsf.UNKNOWN)
    .unmapped(rest);
  return events(event);
}

export const { settings, normalizer } = plugin({ normalize });
