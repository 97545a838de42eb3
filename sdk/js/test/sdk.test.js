import assert from "node:assert/strict";
import { test } from "node:test";

import {
  EventBuilder, Rejected, byteSpan, decodeUtf8, drop, events, flatten, get, isEmail, isHostname, nested, noConfig, ocsf,
  parseJson, parsePath, plugin, pushKey, reject, rfc3339, utf8Length,
} from "../cairnlog.js";

const bytes = (text) => new TextEncoder().encode(text);
const flat = (body) => {
  const out = [];
  flatten(out, "unmapped", parseJson(bytes(body)));
  return out.map(({ path, value }) => [path, value.tag, value.val]);
};

test("bytes are decoded as TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const check = (body) => assert.equal(decodeUtf8(body), decoder.decode(body), String(body));
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      check(Uint8Array.of(first, second, 0x41));
      check(Uint8Array.of(first, second, 0x80, 0xbf));
      check(Uint8Array.of(0xf0, 0x9f, first, second));
    }
  }
  check(bytes("\ufeffa\u{1f512}zoë".repeat(3_000)));
  assert.equal(decodeUtf8(Uint8Array.of(0x41, 0xff), { fatal: true }), undefined);
});

test("bytes are counted as TextEncoder writes them", () => {
  for (const text of ["", "abc", "zoë", "€", "\u{1f512}", "\ud83d", "\ude00x", "\ud83d\ud83d\ude00"]) {
    assert.equal(utf8Length(text), bytes(text).length, JSON.stringify(text));
  }
  assert.deepEqual(byteSpan("Zoë \u{1f512} Krüger", 4, 6), [5, 9]);
});

test("known moments", () => {
  // `date -u -d … +%s`
  for (const [text, ms, offsetMinutes] of [
    ["1970-01-01T00:00:00Z", 0, 0],
    ["2023-07-10T11:42:36Z", 1_688_989_356_000, 0],
    ["2023-03-10T22:38:26.382098Z", 1_678_487_906_382, 0],
    ["2024-02-29T23:59:59.9+00:00", 1_709_251_199_900, 0],
    ["2000-03-01T00:00:00-05:30", 951_888_600_000, -330],
    ["1969-12-31T23:59:59.999Z", -1, 0],
    ["2016-12-31T23:59:60Z", 1_483_228_800_000, 0],
    ["9999-12-31t23:59:59z", 253_402_300_799_000, 0],
    ["0000-01-01T00:00:00Z", -62_167_219_200_000, 0],
  ]) {
    assert.deepEqual(rfc3339(text), { ms, offsetMinutes }, text);
  }
});

test("what is no moment is refused", () => {
  for (const text of [
    "", "2023-07-10", "2023-07-10T11:42:36", "2023-07-10 11:42:36Z", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z",
    "2023-07-10T24:00:00Z", "2023-07-10T11:60:00Z", "2023-07-10T11:42:36.Z", "2023-07-10T11:42:36+0100",
    "2023-07-10T11:42:36+24:00", "2023-07-10T11:42:36Zx", "2023-07-10T11:42:36Z\n", "2023-07-10T11:42:3éZ",
    "+023-07-10T11:42:36Z", "1688989356",
  ]) {
    assert.equal(rfc3339(text), undefined, text);
  }
});

test("keys are quoted where needed and only there", () => {
  for (const [key, path] of [
    ["a-b_9", "unmapped.a-b_9"],
    ["", 'unmapped[""]'],
    ["9a", 'unmapped["9a"]'],
    ["a b", 'unmapped["a b"]'],
    ['a"\\\n\u0001é', 'unmapped["a\\"\\\\\\n\\u0001é"]'],
  ]) {
    assert.equal(pushKey("unmapped", key), path);
    assert.deepEqual(parsePath(path), ["unmapped", key]);
  }
  assert.deepEqual(parsePath("a.b[10].c"), ["a", "b", 10, "c"]);
});

test("other spellings of a path are refused", () => {
  for (const path of [
    "", ".", "a.", ".a", "a..b", "a[01]", "a[-1]", "a[+1]", "a[]", "a[1", "[0]", 'a["b"]', 'a["\\u0041 "]', 'a["x y""]',
    "$received", "a[4294967296]", 'a["x y"]b', "é", "a.*", "9",
  ]) {
    assert.equal(parsePath(path), undefined, path);
  }
});

test("containers become paths", () => {
  assert.deepEqual(
    flat('{"a":[1,null,{"x":null},[]],"b":{"c.d":true},"e":{},"f":null,"g":{"y":null},"h":1.5}'),
    [
      ["unmapped.a[0]", "integer", 1],
      ["unmapped.a[1]", "text", "null"],
      ["unmapped.a[2]", "empty-object", undefined],
      ["unmapped.a[3]", "empty-list", undefined],
      ['unmapped.b["c.d"]', "boolean", true],
      ["unmapped.e", "empty-object", undefined],
      ["unmapped.g", "empty-object", undefined],
      ["unmapped.h", "float", 1.5],
    ],
  );
});

test("what is too deep or too long becomes text", () => {
  const deep = flat(`{"a":${"[".repeat(60)}1${"]".repeat(60)}}`);
  assert.deepEqual(deep, [[`unmapped.a${"[0]".repeat(30)}`, "text", `${"[".repeat(30)}1${"]".repeat(30)}`]]);
  const key = "k".repeat(2_000);
  assert.deepEqual(flat(`{"a":{"${key}":1}}`), [["unmapped.a", "text", `{"${key}":1}`]]);
});

test("a text beyond the limit is kept in pieces", () => {
  const text = `x${"é".repeat(65_536)}`;
  const pieces = flat(JSON.stringify({ a: text }));
  assert.deepEqual(pieces.map(([path]) => path), ["unmapped.a[0]", "unmapped.a[1]", "unmapped.a[2]"]);
  assert.equal(pieces.map(([, , piece]) => piece).join(""), text);
});

test("long numbers keep their digits", () => {
  const body =
    '{"a":9007199254740991,"b":9007199254740993,"c":-12345678901234567890,"d":"9007199254740993","e":[1.5e3,1e400]}';
  assert.deepEqual(parseJson(bytes(body)), {
    a: 9007199254740991, b: "9007199254740993", c: "-12345678901234567890", d: "9007199254740993", e: [1500, "1e400"],
  });
});

test("refusals repeat nothing of the record", () => {
  for (const [body, reason] of [
    [bytes('{"secret":1,"secret":2}'), "the record gives an object's key twice"],
    [bytes('{"a":{"secret":1,"\\u0073ecret":2}}'), "the record gives an object's key twice"],
    [bytes('{"secret":'), "the record is not JSON"],
    [bytes("secret"), "the record is not JSON"],
    [bytes('{"a":"secret\\ud800"}'), "the record is not JSON"],
    [bytes(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`), "the record is not JSON"],
    [bytes("[".repeat(100_000)), "the record is not JSON"],
    [bytes('["secret"]'), "the record is not a JSON object"],
    [Uint8Array.of(0xff, 0xfe), "the record is not UTF-8"],
  ]) {
    assert.throws(() => parseJson(body), (error) => error instanceof Rejected && error.message === reason);
  }
  assert.deepEqual(parseJson(bytes('\ufeff{"a\\u0062":"\\u00e9\\n: \\"x\\":1"}')), { ab: 'é\n: "x":1' });
});

test("an event is nested again", () => {
  const out = [];
  const value = { a: { b: [{ c: "x" }, "y"], "d.e": [], __proto: 1 }, n: 1.5 };
  flatten(out, "unmapped", value);
  assert.deepEqual(JSON.parse(JSON.stringify(nested(out))), { unmapped: value });
  assert.equal(get(out, "unmapped.a.b[0].c"), "x");
  assert.deepEqual(get(out, 'unmapped.a["d.e"]'), []);
  assert.equal(get(out, "unmapped.a"), undefined);
});

test("an event says what OCSF asks of all", () => {
  const event = new EventBuilder(ocsf.API_ACTIVITY, 2, 1_700_000_000_000)
    .text("metadata.product.name", "Test")
    .userName("actor.user", "anna@example.com")
    .status(ocsf.statusOfHttp(404));
  assert.deepEqual(JSON.parse(JSON.stringify(nested(event.finish()))), {
    category_uid: 6, class_uid: 6003, activity_id: 2, activity_name: "Read", type_uid: 600_302, severity_id: 1,
    time: 1_700_000_000_000, metadata: { version: "1.8.0", product: { name: "Test" } },
    actor: { user: { email_addr: "anna@example.com", name: "anna@example.com" } }, status_id: 2, status: "Failure",
  });
});

test("activities have names", () => {
  assert.deepEqual(ocsf.resolveActivity(ocsf.ACCOUNT_CHANGE, 7), [7, "Attach Policy"]);
  assert.deepEqual(ocsf.resolveActivity(ocsf.FILE_HOSTING, 17), [17, "Access Check"]);
  assert.deepEqual(ocsf.resolveActivity(ocsf.API_ACTIVITY, 5), [0, "Unknown"]);
  assert.deepEqual(ocsf.resolveActivity(ocsf.API_ACTIVITY, 0), [0, "Unknown"]);
  assert.deepEqual(ocsf.resolveActivity(ocsf.API_ACTIVITY, "Rotate"), [99, "Rotate"]);
  assert.deepEqual(ocsf.resolveActivity(ocsf.API_ACTIVITY, ""), [0, "Unknown"]);
});

test("a member that would burst the event is kept as text", () => {
  const long = Array(5_000).fill(1);
  const event = new EventBuilder(ocsf.API_ACTIVITY, 2, 0).unmapped({ long, short: [true], none: null }).finish();
  assert.equal(get(event, "unmapped.long"), JSON.stringify(long));
  assert.equal(get(event, "unmapped.short[0]"), true);
});

test("what fits no way is refused", () => {
  const members = Object.fromEntries(Array.from({ length: 5_000 }, (_, key) => [`k${key}`, 1]));
  const with_ = (rest) => events(new EventBuilder(ocsf.API_ACTIVITY, 2, 0).unmapped(rest));
  assert.deepEqual(with_(members), reject("the record has more than 4096 attributes"));
  assert.deepEqual(
    with_({ ["k".repeat(2_000)]: 1 }),
    reject("the record has a key that makes a path of more than 1024 bytes"),
  );
  assert.deepEqual(
    events(new EventBuilder(ocsf.API_ACTIVITY, 2, 0).text("message", "é".repeat(40_000))),
    reject("the record has a value of more than 65536 bytes"),
  );
});

test("host names and e-mail addresses", () => {
  for (const text of ["kms.amazonaws.com", "a-b.example", "xn--bcher-kva.example"]) assert.ok(isHostname(text), text);
  for (const text of ["localhost", "Workday_Internal.x", "10.0.0.1", "-a.example", "a..b", "", ".", "a.b.", "A B.c"]) {
    assert.ok(!isHostname(text), text);
  }
  for (const text of ["alice@example.com", "a.b+c@mail.example.org"]) assert.ok(isEmail(text), text);
  for (const text of [
    "alice", "alice@localhost", "@example.com", "alice@", "a b@example.com", "älice@example.com", "a@b@example.com",
  ]) {
    assert.ok(!isEmail(text), text);
  }
});

test("no config means none", () => {
  for (const config of ["", "null", "{}", " { } "]) assert.doesNotThrow(() => noConfig(config), config);
  for (const config of ['{"a":1}', "[]", "0", "{"]) assert.throws(() => noConfig(config), config);
});

test("what is no outcome becomes a reject, and the log says what it is", (context) => {
  const written = context.mock.method(console, "error", () => {});
  const { settings, normalizer } = plugin({ normalize: (record) => record });
  settings.configure("");
  const failed = reject("the plugin failed on this record");
  assert.deepEqual(normalizer.normalize([undefined, null, [], { tag: "event" }]), [failed, failed, failed, failed]);
  const words = written.mock.calls.map((call) => call.arguments.join(" "));
  assert.match(words[0], /normalize returned a value of type undefined, not events\(\), skip\(\) or reject\(\)/);
  assert.match(words[1], /normalize returned null/);
});

test("an exception becomes a reject, and the log names no data", (context) => {
  const written = context.mock.method(console, "error", () => {});
  const { settings, normalizer } = plugin({
    normalize(record) {
      if (record === "known") throw new Rejected("the record is odd");
      if (record === "lacks") return notThere(record);
      throw new RangeError(`no ${record}\n  at secret`);
    },
  });
  settings.configure("");
  assert.deepEqual(normalizer.normalize(["secret", "known", "lacks"]), [
    reject("the plugin failed on this record"), reject("the record is odd"), reject("the plugin failed on this record"),
  ]);
  const messages = written.mock.calls.map((call) => call.arguments[0]);
  assert.equal(messages.length, 2);
  assert.match(messages[1], /^error: normalize threw ReferenceError: notThere is not defined at /);
  assert.match(messages[0], /^error: normalize threw RangeError at .*normalize/);
  assert.doesNotMatch(messages[0], /secret/);
});

test("a redactor that fails is a trap", (context) => {
  context.mock.method(console, "error", () => {});
  const { redactor } = plugin({ redact: () => { throw new Error("x"); } });
  assert.throws(() => redactor.redact([[]]));
});

test("a plugin is configured once, with its own words where the config is wrong", () => {
  const { settings, redactor } = plugin({
    schema: { type: "object" },
    configure(config) {
      if (config === "") throw new Error("a config is needed");
      return JSON.parse(config);
    },
    redact: (event, { entity }) => event.map((_, index) => drop(index, entity, "all")),
  });
  assert.equal(settings.schema(), '{"type":"object"}');
  assert.throws(() => settings.configure(""), (thrown) => thrown === "a config is needed");
  settings.configure('{"entity":"NAME"}');
  assert.throws(() => settings.configure("{}"), (thrown) => thrown === "the plugin is configured already");
  assert.deepEqual(redactor.redact([[{}]]), [
    [{ attribute: 0, span: null, action: { tag: "drop" }, entity: "NAME", rule: "all" }],
  ]);
});
