// Normalizes the badge readers' lines: time, person, what was done, and the door.

import { EventBuilder, decodeUtf8, events, ocsf, plugin, reject, rfc3339 } from "../../../sdk/js/cairnlog.js";

const READ = 2;

function normalize(record) {
  const words = decodeUtf8(record.body).split(" ");
  if (words.length !== 4) return reject("the line has not four words");
  const [when, who, what, door] = words;
  const time = rfc3339(when);
  if (!time) return reject("the first word is no time");
  const event = new EventBuilder(ocsf.API_ACTIVITY, READ, time.ms)
    .text("metadata.product.name", "Door Log")
    .text("api.operation", what)
    .userName("actor.user", who)
    .text("resources[0].name", door)
    .text("src_endpoint.name", door);
  return events(event);
}

export const { settings, normalizer } = plugin({ normalize });
