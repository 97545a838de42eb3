"""python3 -m unittest discover -s test, in the folder above."""

import contextlib
import io
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import cairnlog_plugin as sdk


def flat(body: bytes) -> list[tuple[str, object]]:
    out: sdk.Event = []
    sdk.flatten(out, "unmapped", sdk.parse_json(body))
    return [tuple(attribute) for attribute in out]


class Text(unittest.TestCase):
    def test_spans_are_counted_in_bytes(self) -> None:
        self.assertEqual(sdk.byte_span("Zoë \U0001f512 Krüger", 4, 5), (5, 9))

    def test_known_moments(self) -> None:
        # `date -u -d … +%s`
        for text, ms, offset in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2023-07-10T11:42:36Z", 1_688_989_356_000, 0),
            ("2023-03-10T22:38:26.382098Z", 1_678_487_906_382, 0),
            ("2024-02-29T23:59:59.9+00:00", 1_709_251_199_900, 0),
            ("2000-03-01T00:00:00-05:30", 951_888_600_000, -330),
            ("1969-12-31T23:59:59.999Z", -1, 0),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000, 0),
            ("9999-12-31t23:59:59z", 253_402_300_799_000, 0),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000, 0),
        ]:
            self.assertEqual(sdk.rfc3339(text), sdk.Timestamp(ms, offset), text)

    def test_what_is_no_moment_is_refused(self) -> None:
        for text in [
            "", "2023-07-10", "2023-07-10T11:42:36", "2023-07-10 11:42:36Z", "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z", "2023-07-10T24:00:00Z", "2023-07-10T11:60:00Z", "2023-07-10T11:42:36.Z",
            "2023-07-10T11:42:36+0100", "2023-07-10T11:42:36+24:00", "2023-07-10T11:42:36Zx", "2023-07-10T11:42:36Z\n",
            "2023-07-10T11:42:3éZ", "٢٠23-07-10T11:42:36Z", "+023-07-10T11:42:36Z", "1688989356",
        ]:
            self.assertIsNone(sdk.rfc3339(text), text)

    def test_host_names_and_e_mail_addresses(self) -> None:
        for text in ["kms.amazonaws.com", "a-b.example", "xn--bcher-kva.example"]:
            self.assertTrue(sdk.is_hostname(text), text)
        for text in ["localhost", "Workday_Internal.x", "10.0.0.1", "-a.example", "a..b", "", ".", "a.b.", "A B.c"]:
            self.assertFalse(sdk.is_hostname(text), text)
        for text in ["alice@example.com", "a.b+c@mail.example.org"]:
            self.assertTrue(sdk.is_email(text), text)
        for text in [
            "alice", "alice@localhost", "@example.com", "alice@", "a b@example.com", "älice@example.com",
            "a@b@example.com",
        ]:
            self.assertFalse(sdk.is_email(text), text)


class Paths(unittest.TestCase):
    def test_keys_are_quoted_where_needed_and_only_there(self) -> None:
        for key, path in [
            ("a-b_9", "unmapped.a-b_9"),
            ("", 'unmapped[""]'),
            ("9a", 'unmapped["9a"]'),
            ("a b", 'unmapped["a b"]'),
            ('a"\\\n\x01é', 'unmapped["a\\"\\\\\\n\\u0001é"]'),
        ]:
            self.assertEqual(sdk.push_key("unmapped", key), path)
            self.assertEqual(sdk.parse_path(path), ["unmapped", key])
        self.assertEqual(sdk.parse_path("a.b[10].c"), ["a", "b", 10, "c"])

    def test_other_spellings_are_refused(self) -> None:
        for path in [
            "", ".", "a.", ".a", "a..b", "a[01]", "a[-1]", "a[+1]", "a[]", "a[1", "[0]", 'a["b"]', 'a["\\u0041 "]',
            'a["x y""]', "$received", "a[4294967296]", 'a["x y"]b', "é", "a.*", "9",
        ]:
            self.assertIsNone(sdk.parse_path(path), path)


class Json(unittest.TestCase):
    def test_containers_become_paths(self) -> None:
        body = b'{"a":[1,null,{"x":null},[]],"b":{"c.d":true},"e":{},"f":null,"g":{"y":null},"h":1.5}'
        self.assertEqual(
            flat(body),
            [
                ("unmapped.a[0]", 1),
                ("unmapped.a[1]", "null"),
                ("unmapped.a[2]", {}),
                ("unmapped.a[3]", []),
                ('unmapped.b["c.d"]', True),
                ("unmapped.e", {}),
                ("unmapped.g", {}),
                ("unmapped.h", 1.5),
            ],
        )

    def test_what_is_too_deep_or_too_long_becomes_text(self) -> None:
        deep = flat(b'{"a":' + b"[" * 60 + b"1" + b"]" * 60 + b"}")
        self.assertEqual(deep, [("unmapped.a" + "[0]" * 30, "[" * 30 + "1" + "]" * 30)])
        key = "k" * 2_000
        self.assertEqual(flat(f'{{"a":{{"{key}":1}}}}'.encode()), [("unmapped.a", f'{{"{key}":1}}')])

    def test_a_text_beyond_the_limit_is_kept_in_pieces(self) -> None:
        text = "x" + "é" * 65_536
        pieces = flat(json.dumps({"a": text}).encode())
        self.assertEqual([path for path, _ in pieces], ["unmapped.a[0]", "unmapped.a[1]", "unmapped.a[2]"])
        self.assertEqual("".join(str(piece) for _, piece in pieces), text)

    def test_numbers_keep_their_digits(self) -> None:
        body = b'{"a":9223372036854775807,"b":9223372036854775808,"c":1e400,"d":1e2}'
        members = sdk.parse_json(body)
        self.assertEqual(members, {"a": 2**63 - 1, "b": "9223372036854775808", "c": "1e400", "d": 100.0})
        self.assertIsInstance(members["d"], float)

    def test_refusals_repeat_nothing_of_the_record(self) -> None:
        for body, reason in [
            (b'{"secret":1,"secret":2}', "the record gives an object's key twice"),
            (b'{"secret":', "the record is not JSON"),
            (b"secret", "the record is not JSON"),
            (b'{"secret":NaN}', "the record is not JSON"),
            (b'{"a":"secret\\ud800"}', "the record is not JSON"),
            (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "the record is not JSON"),
            (b"[" * 100_000, "the record is not JSON"),
            (b'["secret"]', "the record is not a JSON object"),
            (b"\xff\xfe", "the record is not UTF-8"),
        ]:
            with self.assertRaises(sdk.Rejected) as raised:
                sdk.parse_json(body)
            self.assertEqual(str(raised.exception), reason)
        self.assertEqual(sdk.parse_json('\ufeff{"a\\u0062":"\\u00e9\\n"}'.encode()), {"ab": "é\n"})

    def test_an_event_is_nested_again(self) -> None:
        value = {"a": {"b": [{"c": "x"}, "y", [[1]]], "d.e": []}, "n": 1.5}
        out: sdk.Event = []
        sdk.flatten(out, "unmapped", value)
        self.assertEqual(sdk.nested(out), {"unmapped": value})
        self.assertEqual(sdk.get(out, "unmapped.a.b[0].c"), "x")
        self.assertIsNone(sdk.get(out, "unmapped.a"))


class Building(unittest.TestCase):
    def test_an_event_says_what_ocsf_asks_of_all(self) -> None:
        event = sdk.EventBuilder(sdk.API_ACTIVITY, 2, 1_700_000_000_000)
        event.text("metadata.product.name", "Test")
        event.user_name("actor.user", "anna@example.com")
        event.status(sdk.Status.of_http(404))
        self.assertEqual(
            sdk.nested(event.finish()),
            {
                "category_uid": 6, "class_uid": 6003, "activity_id": 2, "activity_name": "Read", "type_uid": 600_302,
                "severity_id": 1, "time": 1_700_000_000_000,
                "metadata": {"version": "1.8.0", "product": {"name": "Test"}},
                "actor": {"user": {"email_addr": "anna@example.com", "name": "anna@example.com"}},
                "status_id": 2, "status": "Failure",
            },
        )

    def test_activities_have_names(self) -> None:
        self.assertEqual(sdk.ACCOUNT_CHANGE.activity(7), (7, "Attach Policy"))
        self.assertEqual(sdk.FILE_HOSTING.activity(17), (17, "Access Check"))
        self.assertEqual(sdk.API_ACTIVITY.activity(5), (0, "Unknown"))
        self.assertEqual(sdk.API_ACTIVITY.activity(0), (0, "Unknown"))
        self.assertEqual(sdk.API_ACTIVITY.activity("Rotate"), (99, "Rotate"))
        self.assertEqual(sdk.API_ACTIVITY.activity(""), (0, "Unknown"))

    def test_a_member_that_would_burst_the_event_is_kept_as_text(self) -> None:
        event = sdk.EventBuilder(sdk.API_ACTIVITY, 2, 0)
        event.unmapped({"long": [1] * 5_000, "short": [True], "none": None})
        self.assertEqual(sdk.get(event.finish(), "unmapped.long"), json.dumps([1] * 5_000, separators=(",", ":")))
        self.assertIs(sdk.get(event.finish(), "unmapped.short[0]"), True)

    def test_what_fits_no_way_is_refused(self) -> None:
        for rest, reason in [
            ({f"k{key}": 1 for key in range(5_000)}, "the record has more than 4096 attributes"),
            ({"k" * 2_000: 1}, "the record has a key that makes a path of more than 1024 bytes"),
        ]:
            event = sdk.EventBuilder(sdk.API_ACTIVITY, 2, 0)
            event.unmapped(rest)
            self.assertEqual(event.outcome(), sdk.Reject(reason))
        event = sdk.EventBuilder(sdk.API_ACTIVITY, 2, 0)
        event.text("message", "é" * 40_000)
        self.assertEqual(event.outcome(), sdk.Reject("the record has a value of more than 65536 bytes"))


class Plugins(unittest.TestCase):
    def test_no_config_means_none(self) -> None:
        for config in ["", "null", "{}", " { } "]:
            sdk.no_config(config)
        for config in ['{"a":1}', "[]", "0", "{"]:
            with self.assertRaises(ValueError):
                sdk.no_config(config)

    def test_what_is_no_outcome_becomes_a_reject_and_the_log_says_what_it_is(self) -> None:
        class Plugin:
            def normalize(self, record: sdk.Raw) -> None:
                return None

        with contextlib.redirect_stdout(io.StringIO()) as written, contextlib.redirect_stderr(written):
            outcome = sdk.caught(Plugin(), sdk.Raw(b"secret"))
        self.assertEqual(outcome, sdk.Reject("the plugin failed on this record"))
        self.assertIn("normalize returned NoneType, not Events, Skip or Reject", written.getvalue())
        self.assertNotIn("secret", written.getvalue())

    def test_an_exception_becomes_a_reject_and_the_log_names_no_data(self) -> None:
        class Plugin:
            def __init__(self, config: str) -> None: ...

            def normalize(self, record: sdk.Raw) -> sdk.Outcome:
                if record.body == b"known":
                    raise sdk.Rejected("the record is odd")
                if record.body == b"lacks":
                    return not_there  # noqa: F821
                raise ValueError(f"no {record.body!r}")

        with contextlib.redirect_stdout(io.StringIO()) as written:
            outcomes = [sdk.caught(Plugin(""), sdk.Raw(body)) for body in (b"secret", b"known", b"lacks")]
        failed = sdk.Reject("the plugin failed on this record")
        self.assertEqual(outcomes, [failed, sdk.Reject("the record is odd"), failed])
        first, second = written.getvalue().splitlines()
        self.assertRegex(first, r"^error: normalize raised ValueError at .*test_sdk\.py:\d+$")
        self.assertRegex(second, r"^error: normalize raised NameError: name 'not_there' is not defined at .*:\d+$")

    def test_a_plugin_is_configured_once_with_its_own_words_where_the_config_is_wrong(self) -> None:
        class Plugin:
            def __init__(self, config: str) -> None:
                sdk.no_config(config)

        settings_type, _ = sdk.export_redactor(Plugin, {"type": "object"})
        settings = settings_type()
        self.assertEqual(settings.schema(), '{"type": "object"}')
        with self.assertRaisesRegex(ValueError, "takes no config"):
            settings.configure("1")
        settings.configure("{}")
        with self.assertRaisesRegex(ValueError, "configured already"):
            settings.configure("{}")


if __name__ == "__main__":
    unittest.main()
