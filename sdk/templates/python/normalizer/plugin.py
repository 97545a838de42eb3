"""Normalizes JSON records: `time`, `user`, `action`, and whatever else they hold."""

from cairnlog_plugin import (
    API_ACTIVITY,
    UNKNOWN,
    EventBuilder,
    Outcome,
    Raw,
    Reject,
    export_normalizer,
    no_config,
    parse_json,
    rfc3339,
)

READ = 2


class Plugin:
    def __init__(self, config: str) -> None:
        no_config(config)

    def normalize(self, record: Raw) -> Outcome:
        rest = parse_json(record.body)
        time, user, action = rest.pop("time", None), rest.pop("user", None), rest.pop("action", None)
        when = rfc3339(time) if isinstance(time, str) else None
        if when is None:
            return Reject("`time` is no RFC 3339 time")
        if not isinstance(user, str) or not isinstance(action, str):
            return Reject("`user` and `action` must be texts")
        event = EventBuilder(API_ACTIVITY, READ, when.ms)
        event.text("metadata.product.name", "{{name}}")
        event.text("api.operation", action)
        event.user_name("actor.user", user)
        event.text("src_endpoint.name", UNKNOWN)
        event.unmapped(rest)
        return event.outcome()


Settings, Normalizer = export_normalizer(Plugin)
