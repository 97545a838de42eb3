"""The guest SDK for Cairnlog plugins in Python. Copy this file into a project as `sdk/cairnlog_plugin.py`.

    from cairnlog_plugin import API_ACTIVITY, EventBuilder, Outcome, Raw, Reject, export_normalizer, no_config

    class Greeter:
        def __init__(self, config: str) -> None:
            no_config(config)

        def normalize(self, record: Raw) -> Outcome:
            event = EventBuilder(API_ACTIVITY, 2, record.received)
            event.text("metadata.product.name", "Greeter")
            event.text("api.operation", record.body.decode(errors="replace"))
            event.text("actor.user.name", "alice")
            event.text("src_endpoint.name", "front-door")
            return event.outcome()

    Settings, Normalizer = export_normalizer(Greeter)

The names `Settings` and `Normalizer`, `Redactor` or `Retention` are those that componentize-py looks for. It runs the
module once when it builds the component, and what is imported then is all there is: a plugin has no files, so a later
import is a trap. Codecs other than UTF-8 and Latin-1 are imported when first used: use one at the top. There is no
clock either (`time.time()` traps) but a record's `received`, and `random` repeats itself.

An event is a list of `Attribute`s, each a path and a value: None, bool, int, float, str, or an empty dict or list.
Other containers do not appear, since their structure is in the paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, Union

try:
    # What componentize-py generates. It knows the interfaces of the plugin's own kind alone.
    import wit_world.exports as _exports
    from componentize_py_types import Err as _Err
    from wit_world.imports import events as _events
    from wit_world.imports import host as _host
except ImportError:
    # Outside a component, in a plugin's own tests.
    _exports = _events = _host = None
    _Err = ValueError

VERSION = "1.8.0"
"""The OCSF version that `metadata.version` names."""

PATH_BYTES_MAX = 1_024
"""Bytes of a path that the host takes."""
PATH_SEGMENTS_MAX = 32
"""Segments of a path that the host takes."""
ATTRIBUTES_MAX = 4_096
"""Attributes of an event that the host takes."""
VALUE_BYTES_MAX = 65_536
"""Bytes of a value that the host takes."""

_MEMBER_ATTRIBUTES_MAX = 256
# Deeper nesting is refused: each level takes stack, and running out of it is a trap.
_DEPTH_MAX = 128
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1

Value = Union[None, bool, int, float, str, dict[str, Any], list[Any]]


class Attribute(NamedTuple):
    """One attribute of an event, by its OCSF path."""

    path: str
    value: Value


Event = list[Attribute]


class Rejected(Exception):
    """Raised where a record can't be understood; the message becomes the reason of its reject, so it names no data."""


@dataclass
class Raw:
    """A record as it arrived. In a component the host's own object of the same shape takes its place."""

    body: bytes
    source: str = "test"
    received: int = 1_795_424_400_000
    """Milliseconds since the epoch, the server's time: the only clock there is."""
    content_type: str = "application/octet-stream"
    attributes: Sequence[tuple[str, str]] = ()


@dataclass
class Events:
    """The events that a raw record holds, in order; at least one."""

    events: list[Event]


@dataclass
class Skip:
    """Nothing in it worth a record, and why."""

    reason: str


@dataclass
class Reject:
    """Not understood, and why: the host quarantines the raw record."""

    reason: str


Outcome = Union[Events, Skip, Reject]


@dataclass
class Redaction:
    """An attribute, by index, that must not be kept as it is. Use `drop`, `mask` and `pseudonymize` to make one."""

    attribute: int
    action: Literal["drop", "mask", "pseudonymize"]
    entity: str
    rule: str
    keep: int = 0
    span: tuple[int, int] | None = None
    """A range of bytes, which `byte_span` counts; none for the whole value."""


def drop(attribute: int, entity: str, rule: str) -> Redaction:
    """Keep nothing of an attribute."""
    return Redaction(attribute, "drop", entity, rule)


def mask(attribute: int, keep: int, entity: str, rule: str, span: tuple[int, int] | None = None) -> Redaction:
    """Put `[ENTITY]` in its place and keep so many characters of its end, at most 4 and never more than a quarter."""
    return Redaction(attribute, "mask", entity, rule, keep, span)


def pseudonymize(attribute: int, entity: str, rule: str, span: tuple[int, int] | None = None) -> Redaction:
    """Put a keyed token in its place: equal inputs of one entity stay equal."""
    return Redaction(attribute, "pseudonymize", entity, rule, 0, span)


@dataclass
class Decision:
    """The retention class of a record."""

    retention_class: str
    rule: str
    subject: str | None = None
    closes: str | None = None


def no_class() -> Decision:
    """The decision that no class fits: no log has a class of this name, so the record is quarantined."""
    return Decision("no-retention-class", "no rule fits")


Level = Literal["debug", "info", "warn", "error"]


def log(level: Level, message: str) -> None:
    """Writes to the source's diagnostic ring; outside a component, to standard output."""
    if _host is None:
        print(f"{level}: {message}")
    else:
        _host.log(_host.Level[level.upper()], message)


# Text and time.


def byte_span(text: str, start: int, end: int) -> tuple[int, int]:
    """A range of a string, as Python counts, in bytes, as redactions count."""
    first = len(text[:start].encode())
    return first, first + len(text[start:end].encode())


class Timestamp(NamedTuple):
    """A moment as a source wrote it."""

    ms: int
    """Milliseconds since the epoch, finer parts cut off."""
    offset_minutes: int
    """The zone it was written in, minutes east of UTC: OCSF's `timezone_offset`."""


_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def rfc3339(text: str) -> Timestamp | None:
    """Reads `2026-11-23T09:00:00.123456Z` or `2026-11-23T10:00:00+01:00`; None for any other text."""
    found = _RFC_3339.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    hours, minutes = int(zone_hours or 0), int(zone_minutes or 0)
    # 60 is a leap second.
    in_range = 1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60 and hours < 24 and minutes < 60
    if not in_range or not 1 <= day <= _month_days(year, month):
        return None
    offset = (hours * 60 + minutes) * (-1 if sign == "-" else 1)
    seconds = _days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + (minute - offset) * 60 + second
    return Timestamp(seconds * 1_000 + int((fraction or "")[:3].ljust(3, "0")), offset)


def _month_days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days_since_epoch(year: int, month: int, day: int) -> int:
    # Counted in years that begin in March; `datetime` has no year 0.
    march_year = year - 1 if month <= 2 else year
    leap_days = march_year // 4 - march_year // 100 + march_year // 400
    return march_year * 365 + leap_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468


_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}")


def is_hostname(text: str) -> bool:
    """Whether a text is a host name of at least two labels, the last not all digits."""
    labels = text.split(".")
    names = len(text) <= 253 and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    return names and not labels[-1].isdigit()


def is_email(text: str) -> bool:
    """Whether a text is an e-mail address with a dotted domain, in ASCII: OCSF's `email_t`."""
    local, _, domain = text.partition("@")
    return _LOCAL.fullmatch(local) is not None and is_hostname(domain)


# Paths: `actor.user.name`, `resources[0].uid`, `unmapped["authorization.k8s.io/decision"]`. A key is quoted where it
# must be and only there, so that every attribute has one spelling.

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SEGMENT = re.compile(r'(?:(?:^|(?<!^)\.)([A-Za-z_][A-Za-z0-9_-]*)|\[(0|[1-9][0-9]*)\]|\[("(?:[^"\\]|\\.)*")\])')


@lru_cache(maxsize=1_024)
def is_bare(key: str) -> bool:
    """Whether a key needs no quotes."""
    return _BARE.fullmatch(key) is not None


def push_key(path: str, key: str) -> str:
    """A path extended by an object's key; an empty path is the event itself."""
    if is_bare(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{_quoted(key)}]"


def push_index(path: str, index: int) -> str:
    """A path extended by a list's index."""
    return f"{path}[{index}]"


def _quoted(key: str) -> str:
    # Without the escapes of what is not ASCII, this is RFC 8785's spelling.
    return json.dumps(key, ensure_ascii=False)


def parse_path(path: str) -> list[str | int] | None:
    """The keys and indices of a path; None for other texts and other spellings."""
    segments: list[str | int] = []
    at = 0
    while at < len(path):
        found = _SEGMENT.match(path, at)
        if not found:
            return None
        bare, index, quoted = found.groups()
        segment = bare if bare is not None else int(index) if index is not None else _unquoted(quoted)
        if segment is None or isinstance(segment, int) and (not segments or segment > 0xFFFF_FFFF):
            return None
        segments.append(segment)
        at = found.end()
    return segments or None


def _unquoted(text: str) -> str | None:
    try:
        key = json.loads(text)
    except ValueError:
        return None
    return key if _quoted(key) == text and not is_bare(key) else None


# Between nested JSON and attributes.


def flatten(out: Event, path: str, value: Any, segments: int | None = None) -> None:
    """Adds the attributes of a JSON value behind a path of so many segments.

    A None is left out of dicts; in a list one keeps its place as the text `null`. What would be too deep or have too
    long a path becomes JSON text, a text beyond the limit a list of pieces, and a whole number beyond 64 bits a text.
    """
    segments = len(parse_path(path) or ()) if segments is None else segments
    if isinstance(value, str):
        _flatten_text(out, path, value)
    elif value is None:
        out.append(Attribute(path, "null"))
    elif isinstance(value, (list, tuple)):
        _flatten_list(out, path, value, segments)
    elif isinstance(value, dict):
        _flatten_dict(out, path, value, segments)
    else:
        out.append(Attribute(path, _scalar(value)))


def _scalar(value: Any) -> bool | int | float | str:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if _INTEGER_MIN <= value <= _INTEGER_MAX else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    raise TypeError(f"no attribute holds a {type(value).__name__}")


def _flatten_list(out: Event, path: str, items: Sequence[Any], segments: int) -> None:
    if not items:
        out.append(Attribute(path, []))
    elif segments >= PATH_SEGMENTS_MAX or len(path.encode()) + len(str(len(items))) + 2 > PATH_BYTES_MAX:
        _flatten_text(out, path, _json_text(items))
    else:
        for index, item in enumerate(items):
            flatten(out, push_index(path, index), item, segments + 1)


def _flatten_dict(out: Event, path: str, members: dict[str, Any], segments: int) -> None:
    if segments >= PATH_SEGMENTS_MAX or not _has_room(path, members):
        _flatten_text(out, path, _json_text(members))
    elif not _flatten_members(out, path, members, segments):
        out.append(Attribute(path, {}))


def _has_room(path: str, members: dict[str, Any]) -> bool:
    longest = max(map(len, members), default=0)
    # A character is at most four bytes of UTF-8, and a quoted key's escapes take six for one.
    if len(path) * 4 + longest * 24 + 4 <= PATH_BYTES_MAX:
        return True
    room = PATH_BYTES_MAX - len(path.encode())
    return all((len(key) + 1 if is_bare(key) else len(key.encode()) * 6 + 4) <= room for key in members)


def _flatten_members(out: Event, path: str, members: dict[str, Any], segments: int) -> bool:
    before = len(out)
    for key, value in members.items():
        if value is not None:
            flatten(out, push_key(path, key), value, segments + 1)
    return len(out) > before


def _flatten_text(out: Event, path: str, text: str) -> None:
    if not _exceeds(text, VALUE_BYTES_MAX):
        out.append(Attribute(path, text))
        return
    rest, index = text.encode(), 0
    while rest:
        end = min(VALUE_BYTES_MAX, len(rest))
        while end < len(rest) and rest[end] & 0xC0 == 0x80:
            end -= 1
        out.append(Attribute(push_index(path, index), rest[:end].decode()))
        rest, index = rest[end:], index + 1


def _exceeds(text: str, bytes_max: int) -> bool:
    # A character is at most four bytes of UTF-8, so few texts are measured.
    return len(text) * 4 > bytes_max and len(text.encode()) > bytes_max


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _count(value: Any) -> int:
    """How many attributes a value becomes, at most."""
    if isinstance(value, dict):
        return max(1, sum(map(_count, value.values())))
    return max(1, sum(map(_count, value))) if isinstance(value, (list, tuple)) else 1


def get(event: Iterable[Attribute], path: str) -> Value:
    """What an event has at a path; None if nothing."""
    return next((attribute.value for attribute in event if attribute.path == path), None)


def nested(event: Iterable[Attribute]) -> dict[str, Any]:
    """An event as nested JSON."""
    root: dict[str, Any] = {}
    for path, value in event:
        segments = parse_path(path)
        if segments is None:
            raise ValueError("an attribute's path is none")
        container: Any = root
        for segment, following in zip(segments, segments[1:]):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(segment, str):
                container = container.setdefault(segment, empty)
            else:
                container.extend([empty] * (segment == len(container)))
                container = container[segment]
        last = segments[-1]
        if isinstance(last, str):
            container[last] = value
        else:
            container.insert(last, value)
    return root


# JSON as a source sent it.


def parse_json(body: bytes) -> dict[str, Any]:
    """Reads a record that is one JSON object.

    Numbers that neither 64 bits nor a float can hold come as texts with the same digits. Raises `Rejected`, with words
    that are free of the record's text, for a record that is not UTF-8, not JSON, not an object, or gives an object's
    key twice (of which one would be lost).
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Rejected("the record is not UTF-8") from None
    value: Any
    try:
        value = None if _is_too_deep(text) else _DECODER.decode(text)
        # Half a surrogate pair is in no UTF-8.
        if "\\u" in text:
            _json_text(value).encode()
    except ValueError:
        value = None
    if value is None:
        raise Rejected("the record is not JSON")
    if not isinstance(value, dict):
        raise Rejected("the record is not a JSON object")
    return value


_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


def _is_too_deep(text: str) -> bool:
    # Most records have too few brackets to look further.
    if text.count("[") + text.count("{") <= _DEPTH_MAX:
        return False
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > _DEPTH_MAX:
            return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Rejected("the record gives an object's key twice")
    return members


def _integer(digits: str) -> int | str:
    # Nineteen digits and a sign are the most that may fit.
    fits = len(digits) <= 20 and _INTEGER_MIN <= int(digits) <= _INTEGER_MAX
    return int(digits) if fits else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if value - value == 0 else digits


def _no_constant(word: str) -> Any:
    raise ValueError("NaN and infinities are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_no_constant
)


# OCSF 1.8.0: the classes that access logs need, and their activities.

UNKNOWN = "unknown"
"""What a required text says when the source does not tell."""


class Class(NamedTuple):
    """An event class."""

    uid: int
    """`class_uid`; its thousands are `category_uid`."""
    activities: tuple[str, ...]
    """The names of activities 1, 2, 3 and so on; 0 is Unknown and 99 Other in every class."""

    def activity(self, activity: int | str) -> tuple[int, str]:
        """`activity_id` and `activity_name`.

        A number is one of the class's own activities; a text is another (99), in the source's word. What the class
        lacks, and an empty word, is Unknown.
        """
        if isinstance(activity, str):
            return (99, activity) if activity else (0, "Unknown")
        return (activity, self.activities[activity - 1]) if 1 <= activity <= len(self.activities) else (0, "Unknown")


ACCOUNT_CHANGE = Class(3001, (
    "Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy", "Detach Policy",
    "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock",
))
"""Account Change: a life cycle of accounts, `user` required."""

AUTHENTICATION = Class(3002, (
    "Logon", "Logoff", "Authentication Ticket", "Service Ticket Request", "Service Ticket Renew", "Preauth",
    "Account Switch",
))
"""Authentication: `user`, and `service` or `dst_endpoint` required."""

AUTHORIZE_SESSION = Class(3003, ("Assign Privileges", "Assign Groups"))
"""Authorize Session: `user` and exactly one of `privileges` and `group` required."""

ENTITY_MANAGEMENT = Class(3004, (
    "Create", "Read", "Update", "Delete", "Move", "Enroll", "Unenroll", "Enable", "Disable", "Activate",
    "Deactivate", "Suspend", "Resume",
))
"""Entity Management: `entity` required."""

USER_ACCESS = Class(3005, ("Assign Privileges", "Revoke Privileges"))
"""User Access Management: `user` and `privileges` required."""

GROUP_MANAGEMENT = Class(3006, (
    "Assign Privileges", "Revoke Privileges", "Add User", "Remove User", "Delete", "Create", "Add Subgroup",
    "Remove Subgroup",
))
"""Group Management: `group` required."""

WEB_RESOURCES_ACTIVITY = Class(6001, ("Create", "Read", "Update", "Delete", "Search", "Import", "Export", "Share"))
"""Web Resources Activity: `web_resources` required."""

API_ACTIVITY = Class(6003, ("Create", "Read", "Update", "Delete"))
"""API Activity: `actor`, `api.operation` and `src_endpoint` required."""

DATASTORE_ACTIVITY = Class(6005, (
    "Read", "Update", "Connect", "Query", "Write", "Create", "Delete", "List", "Encrypt", "Decrypt",
))
"""Datastore Activity: `actor`, `src_endpoint`, and one of `database`, `databucket` and `table` required."""

FILE_HOSTING = Class(6006, (
    "Upload", "Download", "Update", "Delete", "Rename", "Copy", "Move", "Restore", "Preview", "Lock", "Unlock",
    "Share", "Unshare", "Open", "Sync", "Unsync", "Access Check",
))
"""File Hosting Activity: `actor`, `file` and `src_endpoint` required."""


class Status(NamedTuple):
    """How it ended: `status_id` and `status`."""

    id: int
    caption: str

    @staticmethod
    def of_http(code: int) -> Status:
        """The status of an HTTP response: a failure from 400 on, unknown outside 100 to 599."""
        if 100 <= code < 400:
            return SUCCESS
        return FAILURE if 400 <= code < 600 else STATUS_UNKNOWN


STATUS_UNKNOWN = Status(0, "Unknown")
SUCCESS = Status(1, "Success")
FAILURE = Status(2, "Failure")


class EventBuilder:
    """An event under construction. Paths are given whole, as in OCSF (`actor.user.name`); each at most once."""

    def __init__(self, ocsf_class: Class, activity: int | str, time_ms: int) -> None:
        """Starts an event with what OCSF requires of all. `metadata.product.name` is left to the caller."""
        self._attributes: Event = []
        activity_id, activity_name = ocsf_class.activity(activity)
        self.integer("category_uid", ocsf_class.uid // 1_000)
        self.integer("class_uid", ocsf_class.uid)
        self.integer("activity_id", activity_id)
        self.text("activity_name", activity_name)
        self.integer("type_uid", ocsf_class.uid * 100 + activity_id)
        self.integer("severity_id", 1)
        self.integer("time", time_ms)
        self.text("metadata.version", VERSION)

    def text(self, path: str, value: str) -> None:
        """Adds a text."""
        self._attributes.append(Attribute(path, value))

    def text_if(self, path: str, value: str | None) -> None:
        """Adds a text that the source may have given."""
        if value:
            self.text(path, value)

    def integer(self, path: str, value: int) -> None:
        """Adds a whole number; one beyond 64 bits is kept as text."""
        self._attributes.append(Attribute(path, _scalar(int(value))))

    def float(self, path: str, value: float) -> None:
        """Adds a number that stays a float even if it is whole."""
        self._attributes.append(Attribute(path, _scalar(float(value))))

    def boolean(self, path: str, value: bool) -> None:
        """Adds a boolean."""
        self._attributes.append(Attribute(path, bool(value)))

    def status(self, status: Status) -> None:
        """Adds `status_id` and `status`."""
        self.integer("status_id", status.id)
        self.text("status", status.caption)

    def user_name(self, user: str, name: str) -> None:
        """Adds a user's name, and its e-mail address if it is one. `user` is the user's own path, `actor.user`."""
        if is_email(name):
            self.text(f"{user}.email_addr", name)
        self.text(f"{user}.name", name)

    def json(self, path: str, value: Any) -> None:
        """Adds source JSON that has a place of its own, its containers flattened. `path` consists of bare segments."""
        if value is None:
            return
        if _count(value) <= ATTRIBUTES_MAX // 4:
            flatten(self._attributes, path, value)
        else:
            _flatten_text(self._attributes, path, _json_text(value))

    def unmapped(self, rest: dict[str, Any]) -> None:
        """Adds what is left of the record under `unmapped`; in an event that would not fit, large members as text."""
        if _count(rest) <= ATTRIBUTES_MAX // 2:
            _flatten_members(self._attributes, "unmapped", rest, 1)
            return
        for key, value in rest.items():
            if value is None:
                continue
            path = push_key("unmapped", key)
            if _count(value) > _MEMBER_ATTRIBUTES_MAX:
                _flatten_text(self._attributes, path, _json_text(value))
            else:
                flatten(self._attributes, path, value, 2)

    def finish(self) -> Event:
        """The event's attributes. Raises `Rejected` if a limit of the host is exceeded."""
        if len(self._attributes) > ATTRIBUTES_MAX:
            raise Rejected(f"the record has more than {ATTRIBUTES_MAX} attributes")
        for path, value in self._attributes:
            if _exceeds(path, PATH_BYTES_MAX):
                raise Rejected(f"the record has a key that makes a path of more than {PATH_BYTES_MAX} bytes")
            if isinstance(value, str) and _exceeds(value, VALUE_BYTES_MAX):
                raise Rejected(f"the record has a value of more than {VALUE_BYTES_MAX} bytes")
        return self._attributes

    def outcome(self) -> Outcome:
        """The outcome of a raw record that holds this one event."""
        try:
            return Events([self.finish()])
        except Rejected as rejected:
            return Reject(str(rejected))


# Configs, and the component's exports.


def no_config(config: str) -> None:
    """Accepts an empty config alone."""
    try:
        empty = not config.strip() or json.loads(config) in (None, {})
    except ValueError:
        empty = False
    if not empty:
        raise ValueError("this plugin takes no config: leave it out or give {}")


class NormalizerPlugin(Protocol):
    """Turns raw records into OCSF events."""

    def __init__(self, config: str) -> None: ...
    def normalize(self, record: Raw) -> Outcome: ...


class RedactorPlugin(Protocol):
    """Says what of an event must not be kept as it is. The host applies it and writes the text."""

    def __init__(self, config: str) -> None: ...
    def redact(self, event: Event) -> list[Redaction]: ...


class RetentionPlugin(Protocol):
    """Says which retention class a record belongs to."""

    def __init__(self, config: str) -> None: ...
    def decide(self, event: Event) -> Decision: ...


class _Slot:
    """Holds an instance's plugin from its configuration on."""

    def __init__(self, plugin: type, schema: dict[str, Any] | None) -> None:
        self.plugin: Any = None
        slot = self

        class Settings:
            def schema(self) -> str | None:
                return None if schema is None else json.dumps(schema)

            def configure(self, config: str) -> None:
                if slot.plugin is not None:
                    raise _Err("the plugin is configured already")
                try:
                    slot.plugin = plugin(config)
                except Exception as error:
                    # Only an `Err` is the error case of the interface; any other exception would be a trap.
                    raise _Err(str(error)) from None

        self.settings = Settings


def export_normalizer(plugin: type, schema: dict[str, Any] | None = None) -> tuple[type, type]:
    """The component's exports of a normalizer: `Settings, Normalizer = export_normalizer(MyPlugin)`."""
    slot = _Slot(plugin, schema)

    class Normalizer:
        def normalize(self, batch: list[Raw]) -> list[Any]:
            return [_wit_outcome(caught(slot.plugin, record)) for record in batch]

    return slot.settings, Normalizer


def caught(plugin: NormalizerPlugin, record: Raw) -> Outcome:
    """What a normalizer makes of a record. An exception would be a trap without a word, so it becomes a reject."""
    try:
        outcome = plugin.normalize(record)
        if isinstance(outcome, (Events, Skip, Reject)):
            return outcome
        log("error", f"normalize returned {type(outcome).__name__}, not Events, Skip or Reject")
        return Reject("the plugin failed on this record")
    except Rejected as rejected:
        return Reject(str(rejected))
    except Exception as error:
        _tell("normalize", error)
        return Reject("the plugin failed on this record")


def export_redactor(plugin: type, schema: dict[str, Any] | None = None) -> tuple[type, type]:
    """The component's exports of a redactor: `Settings, Redactor = export_redactor(MyPlugin)`."""
    slot = _Slot(plugin, schema)

    class Redactor:
        def redact(self, batch: list[Any]) -> list[list[Any]]:
            return [
                [_wit_redaction(one) for one in _told("redact", slot.plugin.redact, _event(event))] for event in batch
            ]

    return slot.settings, Redactor


def export_retention(plugin: type, schema: dict[str, Any] | None = None) -> tuple[type, type]:
    """The component's exports of a retention plugin: `Settings, Retention = export_retention(MyPlugin)`."""
    slot = _Slot(plugin, schema)

    class Retention:
        def decide(self, batch: list[Any]) -> list[Any]:
            return [_wit_decision(_told("decide", slot.plugin.decide, _event(event))) for event in batch]

    return slot.settings, Retention


def _told(name: str, call: Any, event: Event) -> Any:
    """Redactors and retention plugins can't refuse a record: the trap quarantines it, and the log says where it was."""
    try:
        return call(event)
    except Exception as error:
        _tell(name, error)
        raise


def _tell(name: str, error: Exception) -> None:
    """Logs the kind and place of an exception.

    Its message is left out, since that may hold what the record does; that of a NameError or ImportError names what the code lacks.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    lacks = f": {error}" if isinstance(error, (NameError, ImportError)) else ""
    log("error", f"{name} raised {type(error).__name__}{lacks}{place}")


def _event(attributes: list[Any]) -> Event:
    return [Attribute(attribute.path, _plain(attribute.value)) for attribute in attributes]


def _plain(value: Any) -> Value:
    if isinstance(value, _events.Value_Null):
        return None
    if isinstance(value, _events.Value_EmptyObject):
        return {}
    return [] if isinstance(value, _events.Value_EmptyList) else value.value


def _wit_value(value: Value) -> Any:
    if isinstance(value, str):
        return _events.Value_Text(value)
    if isinstance(value, bool):
        return _events.Value_Boolean(value)
    if isinstance(value, int):
        return _events.Value_Integer(value)
    if isinstance(value, float):
        return _events.Value_Float(value)
    if value is None:
        return _events.Value_Null()
    return _events.Value_EmptyObject() if isinstance(value, dict) else _events.Value_EmptyList()


def _wit_outcome(outcome: Outcome) -> Any:
    if isinstance(outcome, Skip):
        return _exports.normalizer.Outcome_Skip(outcome.reason)
    if isinstance(outcome, Reject):
        return _exports.normalizer.Outcome_Reject(outcome.reason)
    lists = [[_events.Attribute(path, _wit_value(value)) for path, value in event] for event in outcome.events]
    return _exports.normalizer.Outcome_Events(lists)


def _wit_redaction(one: Redaction) -> Any:
    actions = {"drop": _exports.redactor.Action_Drop, "pseudonymize": _exports.redactor.Action_Pseudonymize}
    action = _exports.redactor.Action_Mask(one.keep) if one.action == "mask" else actions[one.action]()
    return _exports.redactor.Redaction(one.attribute, one.span, action, one.entity, one.rule)


def _wit_decision(decision: Decision) -> Any:
    return _exports.retention.Decision(decision.retention_class, decision.subject, decision.closes, decision.rule)
