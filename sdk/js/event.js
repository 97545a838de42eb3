// Building an event.

import { VALUE_BYTES_MAX, PATH_BYTES_MAX, count, flatten, flattenMembers, flattenText, scalar } from "./flatten.js";
import { VERSION, resolveActivity } from "./ocsf.js";
import { pushKey } from "./path.js";
import { Rejected } from "./rejected.js";
import { utf8Length } from "./utf8.js";

export { VALUE_BYTES_MAX };

/** Attributes of an event that the host takes. */
export const ATTRIBUTES_MAX = 4096;
/** Attributes that one source member may become before it is kept as JSON text, in an event that would not fit. */
const MEMBER_ATTRIBUTES_MAX = 256;

/** An event under construction. Paths are given whole, as in OCSF; each at most once. */
export class EventBuilder {
  #attributes;

  /** Starts an event with what OCSF requires of all. `metadata.product.name` is left to the caller. */
  constructor(ocsfClass, activity, timeMs) {
    const [activityId, activityName] = resolveActivity(ocsfClass, activity);
    const integer = (path, val) => ({ path, value: { tag: "integer", val } });
    const text = (path, val) => ({ path, value: { tag: "text", val } });
    this.#attributes = [
      integer("category_uid", Math.floor(ocsfClass.uid / 1000)),
      integer("class_uid", ocsfClass.uid),
      integer("activity_id", activityId),
      text("activity_name", activityName),
      integer("type_uid", ocsfClass.uid * 100 + activityId),
      integer("severity_id", 1),
      text("metadata.version", VERSION),
    ];
    this.integer("time", timeMs);
  }

  /** Adds a text. */
  text(path, value) {
    return this.#push(path, scalar(String(value)));
  }

  /** Adds a text that the source may have given. */
  textIf(path, value) {
    return value === undefined || value === null || value === "" ? this : this.text(path, value);
  }

  /** Adds a whole number. One that a number can't hold exactly must come as a BigInt, and is kept as text. */
  integer(path, value) {
    const exact = typeof value === "bigint" || Number.isSafeInteger(value);
    if (!exact) throw new TypeError(`${path} is given no whole number`);
    return this.#push(path, scalar(value));
  }

  /** Adds a number that stays a float even if it is whole. */
  float(path, value) {
    if (!Number.isFinite(value)) throw new TypeError(`${path} is given no finite number`);
    return this.#push(path, { tag: "float", val: value });
  }

  /** Adds a boolean. */
  boolean(path, value) {
    return this.#push(path, { tag: "boolean", val: Boolean(value) });
  }

  /** Adds `status_id` and `status`. */
  status({ id, caption }) {
    return this.integer("status_id", id).text("status", caption);
  }

  /** Adds a user's name, and its e-mail address if the name is one. `user` is the user's own path, `actor.user`. */
  userName(user, name) {
    if (isEmail(name)) this.text(`${user}.email_addr`, name);
    return this.text(`${user}.name`, name);
  }

  /** Adds source JSON that has a place of its own, its containers flattened. `path` consists of bare segments. */
  json(path, value) {
    if (value === null || value === undefined) return this;
    if (count(value) <= ATTRIBUTES_MAX / 4) flatten(this.#attributes, path, value);
    else flattenText(this.#attributes, path, JSON.stringify(value));
    return this;
  }

  /** Adds what is left of the source record under `unmapped`; in an event that would not fit, large members as text. */
  unmapped(rest) {
    if (count(rest) <= ATTRIBUTES_MAX / 2) {
      flattenMembers(this.#attributes, "unmapped", rest, 1);
      return this;
    }
    for (const [key, value] of Object.entries(rest)) {
      if (value === null) continue;
      const path = pushKey("unmapped", key);
      if (count(value) > MEMBER_ATTRIBUTES_MAX) flattenText(this.#attributes, path, JSON.stringify(value));
      else flatten(this.#attributes, path, value, 2);
    }
    return this;
  }

  /** The event's attributes. Throws `Rejected` if a limit of the host is exceeded. */
  finish() {
    if (this.#attributes.length > ATTRIBUTES_MAX) {
      throw new Rejected(`the record has more than ${ATTRIBUTES_MAX} attributes`);
    }
    for (const { path, value } of this.#attributes) {
      if (exceeds(path, PATH_BYTES_MAX)) {
        throw new Rejected(`the record has a key that makes a path of more than ${PATH_BYTES_MAX} bytes`);
      }
      if (value.tag === "text" && exceeds(value.val, VALUE_BYTES_MAX)) {
        throw new Rejected(`the record has a value of more than ${VALUE_BYTES_MAX} bytes`);
      }
    }
    return this.#attributes;
  }

  #push(path, value) {
    this.#attributes.push({ path, value });
    return this;
  }
}

function exceeds(text, bytesMax) {
  return text.length * 3 > bytesMax && utf8Length(text) > bytesMax;
}

const LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;
const LOCAL = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}$/;

/** Whether a text is a host name of at least two labels, the last not all digits. */
export function isHostname(text) {
  const labels = text.split(".");
  return text.length <= 253 && labels.length > 1 && labels.every((label) => LABEL.test(label)) &&
    !/^\d+$/.test(labels.at(-1));
}

/** Whether a text is an e-mail address with a dotted domain, in ASCII: OCSF's `email_t`. */
export function isEmail(text) {
  const at = text.indexOf("@");
  return at > 0 && LOCAL.test(text.slice(0, at)) && isHostname(text.slice(at + 1));
}
