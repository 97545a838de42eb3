// Attribute paths: `actor.user.name`, `resources[0].uid`, `unmapped["authorization.k8s.io/decision"]`. A key is quoted
// where it must be and only there, so that every attribute has one spelling.

const BARE = /^[A-Za-z_][A-Za-z0-9_-]*$/;

// A log's records have the same few keys, and a pattern costs more than a look-up.
const KNOWN_MAX = 1024;
const known = new Map();

/** Whether a key needs no quotes. */
export function isBare(key) {
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const bare = BARE.test(key);
  if (known.size < KNOWN_MAX) known.set(key, bare);
  return bare;
}

/** A path extended by an object's key; an empty path is the event itself. */
export function pushKey(path, key) {
  if (isBare(key)) return path === "" ? key : `${path}.${key}`;
  return `${path}[${quoted(key)}]`;
}

/** A path extended by a list's index. */
export function pushIndex(path, index) {
  return `${path}[${index}]`;
}

/** `JSON.stringify` writes what RFC 8785 asks for but for half surrogate pairs, which UTF-8 can't hold anyway. */
function quoted(key) {
  return JSON.stringify(key.toWellFormed());
}

const SEGMENT = /(?:(?:^|(?<!^)\.)([A-Za-z_][A-Za-z0-9_-]*)|\[(0|[1-9]\d*)\]|\[("(?:[^"\\]|\\.)*")\])/y;

/** The keys (strings) and indices (numbers) of a path; undefined for other texts and other spellings. */
export function parsePath(path) {
  const segments = [];
  SEGMENT.lastIndex = 0;
  while (SEGMENT.lastIndex < path.length) {
    const found = SEGMENT.exec(path);
    if (!found) return undefined;
    const [, bare, index, quotedKey] = found;
    const segment = bare ?? (index === undefined ? unquoted(quotedKey) : Number(index));
    const misplaced = typeof segment === "number" && (segments.length === 0 || segment > 0xffff_ffff);
    if (segment === undefined || misplaced) return undefined;
    segments.push(segment);
  }
  return segments.length > 0 ? segments : undefined;
}

function unquoted(text) {
  try {
    const key = JSON.parse(text);
    return quoted(key) === text && !isBare(key) ? key : undefined;
  } catch {
    return undefined;
  }
}
