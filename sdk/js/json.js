// JSON as a source sent it.

import { Rejected } from "./rejected.js";
import { decodeUtf8 } from "./utf8.js";

/** Deeper nesting is refused: each level takes stack, and running out of it is a trap. */
const DEPTH_MAX = 128;

const STRING_OR_NUMBER = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*/g;
const STRING_OR_BRACKET = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;
const STRING_OR_SPACE = /("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+/g;
const WHOLE = /^-?\d+$/;

/**
 * Reads a record that is one JSON object. Whole numbers beyond 2^53, and others that no number can hold, come as
 * texts with the same digits. Throws `Rejected`, with words that are free of the record's text, for a record that is
 * not UTF-8, not JSON, not an object, or gives an object's key twice (of which one would be lost).
 */
export function parseJson(body) {
  const decoded = decodeUtf8(body, { fatal: true });
  if (decoded === undefined) throw new Rejected("the record is not UTF-8");
  const text = decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
  let value;
  try {
    value = isTooDeep(text) ? undefined : JSON.parse(text);
  } catch {
    // Told below, with what is too deep.
  }
  // Half a surrogate pair is in no UTF-8.
  if (value === undefined || (text.includes("\\u") && !isWellFormed(value))) {
    throw new Rejected("the record is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Rejected("the record is not a JSON object");
  }
  return exact(text, value);
}

function isTooDeep(text) {
  // Most records have too few brackets to look further.
  if (text.split("[").length + text.split("{").length <= DEPTH_MAX + 2) return false;
  let depth = 0;
  for (const [token] of text.matchAll(STRING_OR_BRACKET)) {
    if (token === "[" || token === "{") depth += 1;
    if (token === "]" || token === "}") depth -= 1;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

function isWellFormed(value) {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, member]) => key.isWellFormed() && isWellFormed(member));
}

/** Looks at the text of what was parsed, since `JSON.parse` keeps the last of two keys and rounds long numbers. */
function exact(text, value) {
  // Nothing is lost of most records, which costs less to see.
  const written = JSON.stringify(value);
  if (written === text || written === text.replace(STRING_OR_SPACE, "$1")) return value;
  let keys = 0;
  let rounded = false;
  const digitsKept = text.replace(STRING_OR_NUMBER, (token, string, colon) => {
    if (colon !== undefined) keys += 1;
    if (string !== undefined || holds(token)) return token;
    rounded = true;
    return `"${token}"`;
  });
  if (keys !== members(value)) throw new Rejected("the record gives an object's key twice");
  return rounded ? JSON.parse(digitsKept) : value;
}

function holds(digits) {
  const value = Number(digits);
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !WHOLE.test(digits));
}

function members(value) {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  return inner.reduce((sum, member) => sum + members(member), Array.isArray(value) ? 0 : inner.length);
}
