// Between nested JSON and attributes. An attribute is `{ path, value: { tag, val } }`, as the component's interface has
// it.

import { isBare, parsePath, pushIndex, pushKey } from "./path.js";
import { utf8Length } from "./utf8.js";

/** Bytes of a path, segments of a path and bytes of a value that the host takes. */
export const PATH_BYTES_MAX = 1024;
export const PATH_SEGMENTS_MAX = 32;
export const VALUE_BYTES_MAX = 65_536;

/**
 * The attribute value of a scalar. Whole numbers that a number can't hold exactly become text. Half a surrogate pair,
 * which would be a trap on its way to UTF-8, becomes a replacement character.
 */
export function scalar(value) {
  switch (typeof value) {
    case "string":
      return { tag: "text", val: value.toWellFormed() };
    case "boolean":
      return { tag: "boolean", val: value };
    case "bigint":
      return Number.isSafeInteger(Number(value))
        ? { tag: "integer", val: Number(value) }
        : { tag: "text", val: String(value) };
    case "number":
      if (Number.isSafeInteger(value)) return { tag: "integer", val: value };
      return Number.isFinite(value) ? { tag: "float", val: value } : { tag: "text", val: String(value) };
    default:
      throw new TypeError(`no attribute holds a ${typeof value}`);
  }
}

/**
 * Adds the attributes of a JSON value behind a path of so many segments. Nulls are left out of objects; in a list one
 * keeps its place as the text `null`. What would be too deep or have too long a path becomes JSON text, and a text
 * beyond the limit a list of pieces.
 */
export function flatten(out, path, value, segments = parsePath(path).length) {
  // Most values are short texts: they take the short way, since fuel is scarce.
  if (typeof value === "string" && value.length * 3 <= VALUE_BYTES_MAX) {
    out.push({ path, value: { tag: "text", val: value.toWellFormed() } });
  } else if (value === null || value === undefined) {
    out.push({ path, value: scalar("null") });
  } else if (Array.isArray(value)) {
    flattenList(out, path, value, segments);
  } else if (typeof value === "object") {
    flattenObject(out, path, value, segments);
  } else {
    flattenScalar(out, path, scalar(value));
  }
}

function flattenList(out, path, list, segments) {
  if (list.length === 0) {
    out.push({ path, value: { tag: "empty-list" } });
  } else if (segments >= PATH_SEGMENTS_MAX || !fits(path, String(list.length).length + 2)) {
    flattenText(out, path, JSON.stringify(list));
  } else {
    for (let index = 0; index < list.length; index++) {
      flatten(out, pushIndex(path, index), list[index], segments + 1);
    }
  }
}

function flattenObject(out, path, object, segments) {
  if (!hasRoom(path, object, segments)) {
    flattenText(out, path, JSON.stringify(object));
  } else if (!flattenMembers(out, path, object, segments)) {
    out.push({ path, value: { tag: "empty-object" } });
  }
}

/** Says whether any member was written. */
export function flattenMembers(out, path, object, segments) {
  const before = out.length;
  for (const key in object) {
    const value = object[key];
    if (value !== null && value !== undefined) flatten(out, pushKey(path, key), value, segments + 1);
  }
  return out.length > before;
}

function hasRoom(path, object, segments) {
  if (segments >= PATH_SEGMENTS_MAX) return false;
  for (const key in object) {
    // A quoted key's escapes take six bytes for one at most.
    if (!fits(path, key.length * 18 + 4) && !fits(path, isBare(key) ? key.length + 1 : utf8Length(key) * 6 + 4)) {
      return false;
    }
  }
  return true;
}

/**
 * Whether a path may be extended by so many bytes. A UTF-16 unit is at most three of them, so few paths are measured.
 */
function fits(path, bytes) {
  return path.length * 3 + bytes <= PATH_BYTES_MAX || utf8Length(path) + bytes <= PATH_BYTES_MAX;
}

function flattenScalar(out, path, value) {
  if (value.tag === "text") flattenText(out, path, value.val);
  else out.push({ path, value });
}

/** Adds a text, one beyond the limit as a list of pieces. */
export function flattenText(out, path, text) {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (text.length * 3 <= VALUE_BYTES_MAX || utf8Length(text) <= VALUE_BYTES_MAX) {
    out.push({ path, value: { tag: "text", val: text } });
    return;
  }
  let [start, bytes, index] = [0, 0, 0];
  for (let at = 0; at < text.length; ) {
    const character = String.fromCodePoint(text.codePointAt(at));
    const more = utf8Length(character);
    if (bytes + more > VALUE_BYTES_MAX) {
      out.push({ path: pushIndex(path, index++), value: { tag: "text", val: text.slice(start, at) } });
      [start, bytes] = [at, 0];
    }
    bytes += more;
    at += character.length;
  }
  out.push({ path: pushIndex(path, index), value: { tag: "text", val: text.slice(start) } });
}

/** How many attributes a value becomes, at most. */
export function count(value) {
  if (typeof value !== "object" || value === null) return 1;
  let sum = 0;
  for (const key in value) sum += count(value[key]);
  return Math.max(1, sum);
}

/** An attribute's value as JSON has it. */
export function plain(value) {
  switch (value.tag) {
    case "null":
      return null;
    case "empty-object":
      return {};
    case "empty-list":
      return [];
    default:
      return value.val;
  }
}

/** What an event has at a path, as JSON has it; undefined if nothing. */
export function get(event, path) {
  const found = event.find((attribute) => attribute.path === path);
  return found && plain(found.value);
}

/** An event as nested JSON. Its objects have no prototype, since keys are the source's own. */
export function nested(event) {
  const root = Object.create(null);
  for (const { path, value } of event) {
    const segments = parsePath(path);
    if (!segments) throw new TypeError("an attribute's path is none");
    let container = root;
    segments.forEach((segment, at) => {
      const next = segments[at + 1];
      if (next === undefined) container[segment] = plain(value);
      else container = container[segment] ??= typeof next === "number" ? [] : Object.create(null);
    });
  }
  return root;
}
