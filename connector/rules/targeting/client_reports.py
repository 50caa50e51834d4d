"""What an app or web page may report: facts about its own user, of the kinds that it can know.

Its key is public. The user token proves who the user is, and nothing about the truth of what the app reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connector.rules.model.errors import InvalidItem
from connector.rules.model.interactions import Interaction, InteractionType, Item
from connector.rules.model.users import REMOVED
from connector.rules.model.values import MAX_TEXT_CHARACTERS, canonical_json
from connector.rules.targeting.deduplication import DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY

T = InteractionType

CLIENT_INTERACTIONS = frozenset(
    {
        T.VIEW_IN_APP_MESSAGE,
        T.CLICK_IN_APP_MESSAGE,
        T.CLICK_IN_APP_MESSAGE_BUTTON,
        T.VIEW_CONTENT_CARD,
        T.CLICK_CONTENT_CARD,
        T.DISMISS_CONTENT_CARD,
        T.VIEW_NEWS_FEED_CARD,
        T.CLICK_NEWS_FEED_CARD,
        T.OPEN_PUSH,
        T.CLICK_PUSH_BUTTON,
        T.CLICK_PUSH_STORY_PAGE,
        T.OPEN_EMAIL,
        T.CLICK_EMAIL,
        T.CLICK_EMAIL_ALIAS,
        T.CLICK_SMS_LINK,
    }
)
"""What users do and an app can see: a link of an email or text message may open the app instead of a browser. Only the
connector knows of receipts, the control group and conversions."""

MAX_CLIENT_ITEMS = 100
"""Items of one request of a client: SDKs send at most as many, and its user could fill the log otherwise."""
MAX_ATTRIBUTE_BYTES = 1024
"""Bytes of JSON of an attribute that a client changes: users must not use up the room for attributes of servers."""

SERVER_EVENTS = frozenset({"make_purchase"})
"""Events that a client may not report, by type or by name: the server that takes the money knows of a purchase."""

SERVER_PROPERTIES = frozenset({DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY, "dispatch", "robot", "opens"})
"""Properties of interactions by which reports of providers and of our own tracking are matched and classified. Events
may have them: there they mean nothing."""

_ID_PREFIX = "client:"

UNNAMED = _ID_PREFIX
"""The id of a client's item that gets its id when it arrives, because it was reported without an id and a time."""

_PROFILE_FIELDS = frozenset({"first_name", "time_zone"})
"""The fields that count as attributes; all others are addresses or consent."""


def set_apart(item: Item) -> Item:
    """Return a client's item with the id under which the log has it; one without an id is `UNNAMED`.

    With the id itself, a client could use up the id of its user's next order, and the server's report of it would be a
    duplicate that changes nothing (M6).
    """
    own = UNNAMED if item.id is None else f"{_ID_PREFIX}{item.id}"
    if len(own) > MAX_TEXT_CHARACTERS:
        own = f"{_ID_PREFIX}{hashlib.sha256(own.encode()).hexdigest()}"
    return item.model_copy(update={"id": own})


def own_id(logged_id: str | None) -> str | None:
    """Return the client's own id of an item that got its id when it arrived."""
    return None if logged_id is None else logged_id.removeprefix(_ID_PREFIX)


@dataclass(frozen=True)
class ClientReports:
    """The reports of one client.

    Args:
        user: the user of the token; no report may be about another.
        attributes: the attributes of that user that the client may change.
    """

    user: str
    attributes: Collection[str] = ()

    def bind(self, report: Any, field: str) -> Any:
        """Return a report with its user in `field`, also if it names none. Raises InvalidItem if it names another."""
        if not isinstance(report, Mapping):
            return report
        named = report.get(field)
        if named is not None and named != self.user:
            raise InvalidItem(f"{field}: is not the user of the token; a client reports about its own user only")
        return {**report, field: self.user}

    def check_item(self, item: Item) -> None:
        """Raise InvalidItem if a client may not report this item."""
        if item.user != self.user:
            raise InvalidItem("user: is not the user of the token; a client reports about its own user only")
        if not isinstance(item, Interaction):
            if not SERVER_EVENTS.isdisjoint((item.type, item.name)):
                raise InvalidItem("type: a purchase is reported by the server that takes the money, not by a client")
            return
        if item.type not in CLIENT_INTERACTIONS:
            allowed = ", ".join(sorted(CLIENT_INTERACTIONS))
            raise InvalidItem(f"type: {item.type.value} cannot be known to a client, which may report {allowed}")
        if forged := sorted(SERVER_PROPERTIES & item.properties.keys()):
            raise InvalidItem(f"properties: {', '.join(forged)} cannot come from a client; leave them out")

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Raise InvalidItem if a client may not make these changes of a user, well-formed in the form of PATCH."""
        if changes.get("id") != self.user:
            raise InvalidItem("id: is not the user of the token; a client changes its own user only")
        attributes: Mapping[str, Any] | None = changes.get("attributes")
        refused = sorted((attributes or {}).keys() - set(self.attributes))
        refused += sorted(changes.keys() - {"id", "attributes"} - (_PROFILE_FIELDS & set(self.attributes)))
        if refused:
            raise InvalidItem(f"{', '.join(refused)}: a client may change only what CONNECTOR_CLIENT_ATTRIBUTES lists")
        for name, value in (attributes or {}).items():
            if value is not REMOVED and len(canonical_json(value).encode()) > MAX_ATTRIBUTE_BYTES:
                raise InvalidItem(f"attributes.{name}: is larger than {MAX_ATTRIBUTE_BYTES} bytes")
