"""Says what of an event must not be kept as it is."""

from collections.abc import Iterator

from cairnlog_plugin import (
    Event,
    Redaction,
    Value,
    byte_span,
    drop,
    export_redactor,
    is_email,
    mask,
    no_config,
    pseudonymize,
)

KEPT = 4


class Plugin:
    def __init__(self, config: str) -> None:
        no_config(config)

    def redact(self, event: Event) -> list[Redaction]:
        return [one for index, (path, value) in enumerate(event) for one in redactions(index, path, value)]


def redactions(index: int, path: str, value: Value) -> Iterator[Redaction]:
    if path == "actor.user.email_addr":
        yield pseudonymize(index, "EMAIL_ADDRESS", "people")
    elif path == "actor.user.name":
        yield pseudonymize(index, "USER_NAME", "people")
    elif path == "src_endpoint.ip":
        yield drop(index, "IP_ADDRESS", "addresses")
    elif path == "message" and isinstance(value, str):
        yield from addresses(index, value)
    elif path.startswith("unmapped") and isinstance(value, str):
        yield mask(index, KEPT, "UNMAPPED", "not mapped")


def addresses(index: int, text: str) -> Iterator[Redaction]:
    """The e-mail addresses among a text's words."""
    start = 0
    for word in text.split(" "):
        end = start + len(word)
        if is_email(word):
            yield pseudonymize(index, "EMAIL_ADDRESS", "people", byte_span(text, start, end))
        start = end + 1


Settings, Redactor = export_redactor(Plugin)
