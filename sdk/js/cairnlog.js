// The guest SDK for Cairnlog plugins in JavaScript. Copy this folder into a project as `sdk/`.
//
// A plugin runs in QuickJS, which has the language and nothing else: no TextDecoder, no files, no network. `Date.now()`
// and `Math.random()` are frozen when the component is built, so neither says anything; the only clock is a record's
// `received`. cairnlog.d.ts documents every function.

import host from "cairnlog:plugin/host@1.0.0";
import { EventBuilder } from "./event.js";

export { EventBuilder, ATTRIBUTES_MAX, VALUE_BYTES_MAX, isEmail, isHostname } from "./event.js";
export { flatten, get, nested, plain } from "./flatten.js";
export { parseJson } from "./json.js";
export * as ocsf from "./ocsf.js";
export { isBare, parsePath, pushIndex, pushKey } from "./path.js";
export { Rejected } from "./rejected.js";
export { rfc3339 } from "./time.js";
export { byteSpan, decodeUtf8, utf8Length } from "./utf8.js";

import { Rejected } from "./rejected.js";

/** Writes to the source's diagnostic ring. */
export function log(level, message) {
  host.log(level, message);
}

/** The outcome of a raw record that holds these events. */
export function events(...list) {
  try {
    const finished = list.map((event) => (event instanceof EventBuilder ? event.finish() : event));
    return { tag: "events", val: finished };
  } catch (error) {
    if (error instanceof Rejected) return reject(error.message);
    throw error;
  }
}

/** Nothing in it worth a record. */
export function skip(reason) {
  return { tag: "skip", val: reason };
}

/** Not understood. */
export function reject(reason) {
  return { tag: "reject", val: reason };
}

/** Keep nothing of an attribute. */
export function drop(attribute, entity, rule) {
  return { attribute, span: null, action: { tag: "drop" }, entity, rule };
}

/** Put `[ENTITY]` in the place of an attribute or a part of it, and keep so many characters of its end. */
export function mask(attribute, keep, entity, rule, span = null) {
  return { attribute, span, action: { tag: "mask", val: keep }, entity, rule };
}

/** Put a keyed token in the place of an attribute or a part of it. */
export function pseudonymize(attribute, entity, rule, span = null) {
  return { attribute, span, action: { tag: "pseudonymize" }, entity, rule };
}

/** The retention class of a record. */
export function decision(retentionClass, rule, { subject = null, closes = null } = {}) {
  return { class: retentionClass, subject, closes, rule };
}

/** The decision that no class fits: no log has a class of this name, so the record is quarantined. */
export function noClass() {
  return decision("no-retention-class", "no rule fits");
}

/** Accepts an empty config alone. */
export function noConfig(config) {
  const refuse = () => new Error("this plugin takes no config: leave it out or give {}");
  if (config.trim() === "") return;
  let value;
  try {
    value = JSON.parse(config);
  } catch {
    throw refuse();
  }
  const empty = value === null || (isObject(value) && Object.keys(value).length === 0);
  if (!empty) throw refuse();
}

/** Makes the component's exports of a plugin. */
export function plugin({ schema, configure = noConfig, normalize, redact, decide }) {
  let state;
  let configured = false;
  const exports = {
    settings: {
      schema: () => (schema === undefined ? null : JSON.stringify(schema)),
      configure(config) {
        if (configured) throw "the plugin is configured already";
        try {
          state = configure(config);
        } catch (error) {
          // A thrown string is the error case of the interface; any other value would be a trap.
          throw error instanceof Error ? error.message : String(error);
        }
        configured = true;
      },
    },
  };
  if (normalize) {
    exports.normalizer = { normalize: (batch) => batch.map((record) => caught(() => normalize(record, state))) };
  }
  if (redact) {
    exports.redactor = { redact: (batch) => batch.map((event) => told("redact", () => redact(event, state))) };
  }
  if (decide) {
    exports.retention = { decide: (batch) => batch.map((event) => told("decide", () => decide(event, state))) };
  }
  return exports;
}

/** An exception would be a trap without a word, so it becomes a reject. */
function caught(normalize) {
  try {
    const outcome = told("normalize", normalize);
    if (isObject(outcome) && ["events", "skip", "reject"].includes(outcome.tag)) return outcome;
    const what = outcome === null ? "null" : `a value of type ${typeof outcome}`;
    log("error", `normalize returned ${what}, not events(), skip() or reject()`);
    return reject("the plugin failed on this record");
  } catch (error) {
    return reject(error instanceof Rejected ? error.message : "the plugin failed on this record");
  }
}

/** Redactors and retention plugins have no way to refuse a record: the trap quarantines it, and the log says where. */
function told(name, call) {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Rejected)) log("error", `${name} threw ${described(error)}`);
    throw error;
  }
}

/** The kind and place of an exception. Its message is left out, since that may hold what the record does; that of a ReferenceError
 * names what the code lacks. */
function described(error) {
  if (!(error instanceof Error)) return `a ${typeof error}`;
  // Some engines put the message in front of the stack.
  const words = String(error);
  const frames = error.stack?.startsWith(words) ? error.stack.slice(words.length) : error.stack;
  const place = frames?.split("\n").find((frame) => /^\s+at /.test(frame));
  const kind = error instanceof ReferenceError ? words : error.constructor.name;
  return place ? `${kind} ${place.trim()}` : kind;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
