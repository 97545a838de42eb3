"""Normalizes the badge readers' lines: time, person, what was done, and the door."""

from cairnlog_plugin import API_ACTIVITY, EventBuilder, Outcome, Raw, Reject, export_normalizer, no_config, rfc3339

READ = 2


class DoorLog:
    def __init__(self, config: str) -> None:
        no_config(config)

    def normalize(self, record: Raw) -> Outcome:
        words = record.body.decode(errors="replace").split(" ")
        if len(words) != 4:
            return Reject("the line has not four words")
        when, who, what, door = words
        time = rfc3339(when)
        if time is None:
            return Reject("the first word is no time")
        event = EventBuilder(API_ACTIVITY, READ, time.ms)
        event.text("metadata.product.name", "Door Log")
        event.text("api.operation", what)
        event.user_name("actor.user", who)
        event.text("resources[0].name", door)
        event.text("src_endpoint.name", door)
        return event.outcome()


Settings, Normalizer = export_normalizer(DoorLog)
