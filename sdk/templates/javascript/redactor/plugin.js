// Says what of an event must not be kept as it is.

import { byteSpan, drop, isEmail, mask, plugin, pseudonymize } from "./sdk/cairnlog.js";

const KEPT = 4;

function redact(event) {
  return event.flatMap(({ path, value }, index) => {
    if (path === "actor.user.email_addr") return [pseudonymize(index, "EMAIL_ADDRESS", "people")];
    if (path === "actor.user.name") return [pseudonymize(index, "USER_NAME", "people")];
    if (path === "src_endpoint.ip") return [drop(index, "IP_ADDRESS", "addresses")];
    if (value.tag !== "text") return [];
    if (path === "message") return addresses(index, value.val);
    return path.startsWith("unmapped") ? [mask(index, KEPT, "UNMAPPED", "not mapped")] : [];
  });
}

/** The e-mail addresses among a text's words. */
function addresses(index, text) {
  let start = 0;
  const found = [];
  for (const word of text.split(" ")) {
    const end = start + word.length;
    if (isEmail(word)) found.push(pseudonymize(index, "EMAIL_ADDRESS", "people", byteSpan(text, start, end)));
    start = end + 1;
  }
  return found;
}

export const { settings, redactor } = plugin({ redact });
