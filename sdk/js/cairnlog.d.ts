// The guest SDK for Cairnlog plugins in JavaScript.

/** An attribute's value. Other containers do not appear: an event is flat, its structure is in the paths. */
export type Value =
  | { tag: "null" }
  | { tag: "boolean"; val: boolean }
  /** From the host, rounded beyond 2^53. */
  | { tag: "integer"; val: number }
  | { tag: "float"; val: number }
  | { tag: "text"; val: string }
  | { tag: "empty-object" }
  | { tag: "empty-list" };

/** One attribute, by its OCSF path: `actor.user.name`, `resources[0].uid`, `unmapped["a key"]`. */
export interface Attribute {
  path: string;
  value: Value;
}

/** Paths are unique, none is a prefix of another, lists are dense from 0. */
export type Event = Attribute[];

/** A record as it arrived. */
export interface Raw {
  source: string;
  /** Milliseconds since the epoch, the server's time: the only clock there is. */
  received: number;
  contentType: string;
  body: Uint8Array;
  /** Transport facts worth keeping, such as a file's name. */
  attributes: [string, string][];
}

export type Outcome = { tag: "events"; val: Event[] } | { tag: "skip" | "reject"; val: string };

/** The outcome of a raw record that holds these events, in order; a reject if one exceeds a limit of the host. */
export function events(...list: (EventBuilder | Event)[]): Outcome;
/** Nothing in it worth a record, and why. */
export function skip(reason: string): Outcome;
/** Not understood, and why: the host quarantines the raw record. A reason never says what the record holds. */
export function reject(reason: string): Outcome;

/** A range of bytes within a text, on character boundaries; `byteSpan` counts it. */
export type Span = [start: number, end: number];

export interface Redaction {
  attribute: number;
  span: Span | null;
  action: { tag: "drop" | "pseudonymize" } | { tag: "mask"; val: number };
  entity: string;
  rule: string;
}

/** Keep nothing of an attribute, by its index. `entity` is what was found there, `rule` is for the auditor. */
export function drop(attribute: number, entity: string, rule: string): Redaction;
/** Put `[ENTITY]` in its place and keep so many characters of its end, at most 4 and never more than a quarter. */
export function mask(attribute: number, keep: number, entity: string, rule: string, span?: Span | null): Redaction;
/** Put a keyed token in its place: equal inputs of one entity stay equal. */
export function pseudonymize(attribute: number, entity: string, rule: string, span?: Span | null): Redaction;

export interface Decision {
  class: string;
  subject: string | null;
  closes: string | null;
  rule: string;
}

/** The retention class of a record; whose record it is, and the class whose records of that person the event closes. */
export function decision(
  retentionClass: string,
  rule: string,
  options?: { subject?: string | null; closes?: string | null },
): Decision;
/** The decision that no class fits: no log has a class of this name, so the record is quarantined. */
export function noClass(): Decision;

export interface Plugin<State> {
  /** The JSON Schema of the config, if the plugin takes one. The host checks a config against it. */
  schema?: object;
  /**
   * Makes the plugin's state of its config, a JSON document; throws an `Error` whose message says what is wrong with
   * it.
   */
  configure?(config: string): State;
  normalize?(record: Raw, state: State): Outcome;
  redact?(event: Event, state: State): Redaction[];
  decide?(event: Event, state: State): Decision;
}

/** What the host calls; the redactor's and the retention plugin's parts are there if the plugin has the function. */
export interface Exports {
  settings: { schema(): string | null; configure(config: string): void };
  normalizer?: { normalize(batch: Raw[]): Outcome[] };
  redactor?: { redact(batch: Event[]): Redaction[][] };
  retention?: { decide(batch: Event[]): Decision[] };
}

/**
 * Makes the component's exports: `export const { settings, normalizer } = plugin({ normalize })`.
 *
 * An exception in `normalize` becomes a reject: of the same words if it is `Rejected`, else of general ones, with its
 * kind and place in the log. In `redact` and `decide` it is a trap, which quarantines the record.
 */
export function plugin<State = void>(plugin: Plugin<State>): Exports;

/** For `configure` of plugins that take no config: throws if there is one. */
export function noConfig(config: string): void;

/** Writes to the source's diagnostic ring; in native tests to standard error. */
export function log(level: "debug" | "info" | "warn" | "error", message: string): void;

/** Thrown where a record can't be understood; the message becomes the reason of its reject, so it names no data. */
export class Rejected extends Error {}

/** Decodes UTF-8, a replacement character for each part that is none; with `fatal`, undefined if there is any. */
export function decodeUtf8(bytes: Uint8Array): string;
export function decodeUtf8(bytes: Uint8Array, options: { fatal: boolean }): string | undefined;
/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number;
/** A range of a string, as JavaScript counts, in bytes, as redactions count. */
export function byteSpan(text: string, start: number, end: number): Span;

/** Milliseconds since the epoch of an RFC 3339 time, and its zone in minutes east of UTC; undefined for other texts. */
export function rfc3339(text: string): { ms: number; offsetMinutes: number } | undefined;

/** Whether a text is a host name of at least two labels, the last not all digits. */
export function isHostname(text: string): boolean;
/** Whether a text is an e-mail address with a dotted domain, in ASCII: OCSF's `email_t`. */
export function isEmail(text: string): boolean;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Reads a record that is one JSON object. Numbers that a number can't hold exactly come as texts with the same digits.
 * Throws `Rejected` for a record that is not UTF-8, not JSON, not an object, or gives an object's key twice.
 */
export function parseJson(body: Uint8Array): { [key: string]: Json };

/** Adds the attributes of a JSON value behind a path, `segments` long if that is known. */
export function flatten(out: Event, path: string, value: Json, segments?: number): void;
/** An event as nested JSON. */
export function nested(event: Event): { [key: string]: Json };
/** What an event has at a path; undefined if nothing. */
export function get(event: Event, path: string): Json | undefined;
/** An attribute's value as JSON has it. */
export function plain(value: Value): Json;

/** Whether a key needs no quotes in a path. */
export function isBare(key: string): boolean;
/** A path extended by an object's key, or by a list's index. */
export function pushKey(path: string, key: string): string;
export function pushIndex(path: string, index: number): string;
/** The keys and indices of a path; undefined for other texts and other spellings. */
export function parsePath(path: string): (string | number)[] | undefined;

/** Attributes of an event, and bytes of a value, that the host takes. */
export const ATTRIBUTES_MAX: number;
export const VALUE_BYTES_MAX: number;

/** An event under construction. Paths are given whole, as in OCSF; each at most once. */
export class EventBuilder {
  /**
   * Starts an event with what OCSF requires of all; `metadata.product.name` is left to the caller. An activity is a
   * number of the class's own, or another (99) in the source's word.
   */
  constructor(ocsfClass: ocsf.Class, activity: number | string, timeMs: number);
  text(path: string, value: string): this;
  /** Adds a text that the source may have given. */
  textIf(path: string, value: string | null | undefined): this;
  /** Adds a whole number. One beyond 2^53 must come as a BigInt, and is kept as text. */
  integer(path: string, value: number | bigint): this;
  /** Adds a number that stays a float even if it is whole. */
  float(path: string, value: number): this;
  boolean(path: string, value: boolean): this;
  /** Adds `status_id` and `status`. */
  status(status: ocsf.StatusOf): this;
  /** Adds a user's name, and its e-mail address if the name is one. `user` is the user's own path, `actor.user`. */
  userName(user: string, name: string): this;
  /** Adds source JSON that has a place of its own, its containers flattened. `path` consists of bare segments. */
  json(path: string, value: Json): this;
  /** Adds what is left of the source record under `unmapped`; in an event that would not fit, large members as text. */
  unmapped(rest: { [key: string]: Json }): this;
  /** The event's attributes. Throws `Rejected` if a limit of the host is exceeded. */
  finish(): Event;
}

/** OCSF 1.8.0: the classes that access logs need, and their activities. */
export namespace ocsf {
  interface Class {
    /** `class_uid`; its thousands are `category_uid`. */
    uid: number;
    /** The names of activities 1, 2, 3 and so on; 0 is Unknown and 99 Other in every class. */
    activities: string[];
  }
  interface StatusOf {
    id: number;
    caption: string;
  }
  const VERSION: string;
  /** What a required text says when the source does not tell. */
  const UNKNOWN: string;
  const ACCOUNT_CHANGE: Class;
  const AUTHENTICATION: Class;
  const AUTHORIZE_SESSION: Class;
  const ENTITY_MANAGEMENT: Class;
  const USER_ACCESS: Class;
  const GROUP_MANAGEMENT: Class;
  const WEB_RESOURCES_ACTIVITY: Class;
  const API_ACTIVITY: Class;
  const DATASTORE_ACTIVITY: Class;
  const FILE_HOSTING: Class;
  const Status: { UNKNOWN: StatusOf; SUCCESS: StatusOf; FAILURE: StatusOf };
  /** The status of an HTTP response: a failure from 400 on, unknown outside 100 to 599. */
  function statusOfHttp(code: number): StatusOf;
  /** `activity_id` and `activity_name`. */
  function resolveActivity(ocsfClass: Class, activity: number | string): [number, string];
}
