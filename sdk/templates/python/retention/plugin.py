"""Says which retention class a record is of. What a class means is set in the log, outside any plugin."""

from cairnlog_plugin import (
    ACCOUNT_CHANGE,
    AUTHENTICATION,
    Decision,
    Event,
    export_retention,
    get,
    no_class,
    no_config,
)

DELETE = 6


class Plugin:
    def __init__(self, config: str) -> None:
        no_config(config)

    def decide(self, event: Event) -> Decision:
        class_uid = get(event, "class_uid")
        if class_uid is None:
            return no_class()
        if class_uid == AUTHENTICATION.uid:
            return Decision("sign-in", "authentication")
        if class_uid != ACCOUNT_CHANGE.uid:
            return Decision("default", "all others")
        subject = get(event, "user.uid")
        if not isinstance(subject, str):
            return Decision("admin-change", "accounts")
        if get(event, "activity_id") == DELETE:
            return Decision("admin-change", "accounts that end", subject, closes="admin-change")
        return Decision("admin-change", "accounts", subject)


Settings, Retention = export_retention(Plugin)
