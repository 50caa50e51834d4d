"""What each key of a definition means, in one sentence with an example: for JSON Schema and for docs/reference.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from connector.rules.model import campaigns, conditions, messages, predicates, schedules


@dataclass(frozen=True)
class KeyText:
    """The meaning of a key, and values that it may have; the first one is the most common."""

    meaning: str
    examples: tuple[Any, ...]


def _key(meaning: str, *examples: Any) -> KeyText:
    return KeyText(meaning, examples)


_PUSH = {"push": {"title": "Still thinking it over?", "body": "15% off until Sunday"}}
_OPENED = {"interaction": "open_push", "campaign": "abandoned-cart"}
_TEMPLATE = "a Liquid template"
_WHERE = _key("Only items with these properties count; values are compared exactly.", {"product": "shoe-1"})
_SAME = _key("In exceptions: properties that must be the same as the trigger's.", ["sku"])
_WITHIN = _key("How far the audience looks back; without it, to the oldest report.", "7 days")
_STALE = _key("How long after its due time a message may still be sent; null: as the workspace says.", "6 hours")
_ZONE_OF_TIME = _key("Whose clock: each user's own time zone, or the company's.", "user", "company")
_FROM = _key("The time of day at which the hours begin, quoted.", "09:00")
_TO = _key("The time of day at which they end, quoted; earlier than `from`: on the next day.", "17:00")
_LINK = _key(f"Where a tap leads, {_TEMPLATE}.", "https://shop.example/cart")

KEY_TEXTS: Mapping[type[BaseModel], Mapping[str, KeyText]] = {
    campaigns.Campaign: {
        "campaign": _key(
            "The id: letters, digits, dot, dash, underscore. Cards share the space of ids.", "cart-reminder"
        ),
        "name": _key("A name for people, for lists and templates.", "Abandoned cart, second reminder"),
        "delivery": _key(
            "How it is delivered: after a trigger, to an audience at a time, or by another system.",
            {"type": "external"},
            {"type": "scheduled", "send": "at_publish"},
        ),
        "audience": _key(
            "Who may receive it: everyone, or a predicate on attributes and on what the user did.",
            "everyone",
            {"attribute": "tier", "is": "gold"},
        ),
        "control_group": _key("How many per cent of the users get no message, for comparison.", 10),
        "variants": _key(
            "Several contents instead of `messages`, assigned to users by weight.",
            [{"name": "short", "weight": 1, "messages": _PUSH}],
        ),
        "conversions": _key(
            "Up to four events that count as success, named A to D by their positions.",
            [{"event": "make_purchase", "within": "3 days"}],
        ),
        "messages": _key("The message for each channel that it sends on.", _PUSH),
    },
    campaigns.Card: {
        "card": _key(
            "The id: letters, digits, dot, dash, underscore. Campaigns share the space of ids.", "spring-banner"
        ),
        "title": _key(f"The title, {_TEMPLATE}.", "Spring"),
        "body": _key(f"The text, {_TEMPLATE}.", "{{ user.first_name }}, it's here"),
        "link": _LINK,
    },
    campaigns.Workspace: {
        "workspace": _key(
            "The id of the workspace; `default` unless CONNECTOR_WORKSPACE names another one.", "default"
        ),
        "zone": _key("The company's time zone, an IANA name.", "America/New_York"),
        "frequency_caps": _key(
            "Limits on messages for each user, at most ten; all must hold.",
            [{"channel": "push", "at_most": 1, "per": "day"}],
        ),
        "quiet_hours": _key("Hours without messages, for all campaigns.", {"from": "22:00", "to": "06:00"}),
        "robots": _key("Whether clicks of robots are ignored, or count.", "ignore", "count"),
        "target": _key(
            "Whether an interaction counts only if its target was active, or if it was ever published.",
            "active",
            "ever_published",
        ),
        "stale_after": _key("How long after its due time a message may still be sent.", "24 hours"),
    },
    campaigns.FrequencyCap: {
        "channel": _key("The channel that is limited, or all of them together.", "push", "any"),
        "at_most": _key("The most messages for one user in that time.", 1),
        "per": _key("The calendar days that count, in the user's zone, today the last.", "day", "week", {"days": 3}),
    },
    campaigns.PerDays: {"days": _key("The number of calendar days, 1 to 30.", 3)},
    campaigns.Variant: {
        "name": _key("The variant's name in results.", "short"),
        "weight": _key("Its share of the users, relative to the other variants.", 1),
        "messages": _key("The message for each channel that it sends on.", _PUSH),
    },
    campaigns.Conversion: {
        "event": _key("The event that counts as success.", "make_purchase", "subscribed"),
        "within": _key("How long after the receipt it counts: at most 30 days; 3 days by default.", "3 days"),
        "same": _key("Not for conversions, which have no trigger to compare with.", []),
    },
    campaigns.ActionBased: {
        "type": _key("A follow-on: it starts when a user does something.", "action_based"),
        "trigger": _key(
            "What starts it: any of these interactions and events.", [{**_OPENED, "interaction": "receive_push"}]
        ),
        "delay": _key("How long it waits after the trigger; without it, it sends at once.", {"after": "1 day"}),
        "exceptions": _key(
            "What cancels it during the wait: any of these interactions and events.",
            [{"event": "make_purchase"}, _OPENED],
        ),
        "retrigger": _key(
            "What a second trigger does during the wait: nothing, or it starts anew.", "ignore", "restart"
        ),
        "key": _key("The property by whose value a user may wait several times at once.", "properties.sku"),
        "start": _key("When the campaign begins, with its zone.", "2026-04-01T09:00:00+02:00"),
        "end": _key("When the campaign ends, with its zone.", "2026-05-01T00:00:00+02:00"),
        "time_of_day": _key("The hours in which messages go out; null: at any time.", {"from": "09:00", "to": "17:00"}),
        "quiet_hours": _key(
            "Hours without messages, in place of the workspace's; none: no quiet hours.",
            {"from": "22:00", "to": "06:00", "then": "hold"},
            "none",
        ),
        "eligible_again": _key(
            "Whether a user who received it may receive it again, and after how long.",
            "never",
            "always",
            {"after": "30 days"},
        ),
        "spread": _key("Spreads messages that fall due together over this time.", "15 minutes"),
        "recheck_audience": _key("Whether the audience is checked again at the due time.", True),
        "ignore_frequency_caps": _key("Whether it is sent whatever the workspace's frequency caps say.", True),
        "stale_after": _STALE,
    },
    campaigns.Scheduled: {
        "type": _key("An original that goes to its audience at a time.", "scheduled"),
        "send": _key("When it is sent.", "at_publish", {"at": "2026-04-01 09:00", "zone": "user"}),
        "per_minute": _key("The most users per minute; null: no limit.", 1000),
        "stale_after": _STALE,
    },
    campaigns.External: {"type": _key("Another system sends it and reports its interactions.", "external")},
    schedules.SendAt: {
        "at": _key("The date and time of day, quoted.", "2026-04-01 09:00"),
        "zone": _ZONE_OF_TIME,
    },
    schedules.After: {"after": _key("Exactly this long after the trigger; a day has 24 hours.", "1 day", "30 minutes")},
    schedules.Next: {
        "next": _key("The next such day of the week, never today.", "saturday"),
        "at": _key("The time of day, quoted.", "15:15"),
        "zone": _ZONE_OF_TIME,
    },
    schedules.InDays: {
        "in_days": _key("How many calendar days later.", 1),
        "at": _key("The time of day, quoted.", "09:00"),
        "zone": _ZONE_OF_TIME,
    },
    schedules.TimeOfDay: {
        "from": _FROM,
        "to": _TO,
        "zone": _ZONE_OF_TIME,
        "outside": _key("Outside these hours a message is dropped, or waits for the next ones.", "drop", "next"),
    },
    schedules.QuietHours: {
        "from": _key(_FROM.meaning, "22:00"),
        "to": _key(_TO.meaning, "06:00"),
        "zone": _ZONE_OF_TIME,
        "then": _key("In these hours a message is held until they end, or dropped.", "hold", "drop"),
    },
    schedules.EligibleAfter: {"after": _key("This long after the last receipt, at most 720 days.", "30 days")},
    conditions.InteractionCondition: {
        "interaction": _key("What the user does: one of the 21 interactions.", "open_email", "receive_push"),
        "campaign": _key("The campaign that the user interacts with.", "welcome"),
        "card": _key("The card that the user views or clicks, instead of a campaign.", "spring-banner"),
        "button": _key("The id of the button of the push or in-app message.", "snooze"),
        "url": _key("The link of the email, exactly as written there.", "https://shop.example/sale"),
        "alias": _key("The alias of the link, its `data-alias` in the email's HTML.", "cta_main"),
        "opens": _key("Which opens count: all, or only those classified as a person's or a machine's.", "human", "any"),
        "page": _key("The id of the page of the push story.", "2"),
        "conversion": _key("Which conversion of the campaign; A by default.", "A"),
        "where": _WHERE,
        "same": _SAME,
    },
    conditions.EventCondition: {
        "event": _key("The name of the event: make_purchase, start_session, or one of your own.", "make_purchase"),
        "where": _WHERE,
        "same": _SAME,
    },
    predicates.AttributePredicate: {
        "attribute": _key("The attribute, or id, email, phone, time_zone, first_name of the profile.", "tier"),
        "is": _key("It has exactly this value.", "gold"),
        "is_not": _key("It has another value, or none.", "gold"),
        "in": _key("It has one of these values.", ["gold", "silver"]),
        "not_in": _key("It has none of these values.", ["gold", "silver"]),
        "more_than": _key("It is a number above this one, or a text after it.", 100),
        "at_least": _key("It is this number or above, or this text or after it.", 100),
        "less_than": _key("It is a number below this one, or a text before it.", 100),
        "at_most": _key("It is this number or below, or this text or before it.", 100),
        "contains": _key("The text has this part, or the list this item.", "vip"),
        "exists": _key("Whether the user has the attribute at all.", True),
    },
    predicates.PastInteraction: {"within": _WITHIN},
    predicates.PastEvent: {"within": _WITHIN},
    predicates.Interacted: {
        "interacted": _key(
            "The user did this with a campaign or card.", {"interaction": "open_email", "campaign": "welcome"}
        )
    },
    predicates.Did: {"did": _key("The user did this event.", {"event": "make_purchase", "within": "7 days"})},
    predicates.All: {"all": _key("Every one of these predicates holds.", [{"attribute": "tier", "is": "gold"}])},
    predicates.Any_: {"any": _key("At least one of these predicates holds.", [{"attribute": "tier", "is": "gold"}])},
    predicates.Not: {"not": _key("The predicate does not hold.", {"did": {"event": "make_purchase"}})},
    messages.Messages: {
        "email": _key("An email.", {"subject": "Spring", "html": "<p>It's here</p>"}),
        "sms": _key("A text message.", {"body": "It's here"}),
        "push": _key("A push notification.", _PUSH["push"]),
        "webhook": _key(
            "An HTTP request.", {"url": "https://api.shop.example/hook", "body": '{"user": "{{ user.id }}"}'}
        ),
        "in_app_message": _key("A message within the app.", {"title": "Hi", "body": "Have a look around"}),
        "content_card": _key("A card in the app's feed.", {"title": "Spring", "body": "It's here"}),
        "news_feed_card": _key("A card in the News Feed.", {"title": "Spring", "body": "It's here"}),
    },
    messages.Email: {
        "subject": _key(f"The subject, {_TEMPLATE}.", "Spring, {{ user.first_name }}"),
        "html": _key(f"The HTML, {_TEMPLATE}; links carry their alias in `data-alias`.", "<p>It's here</p>"),
        "text": _key(f"The plain text, {_TEMPLATE}.", "It's here"),
        "from": _key("The sender, one address with or without a name.", "Shop <news@shop.example>"),
        "reply_to": _key("Where replies go, one address with or without a name.", "Help <help@shop.example>"),
        "preheader": _key("The text beside the subject in lists of mails; needs `html`.", "20% off until Sunday"),
        "headers": _key("Headers by which the provider groups mails.", {"X-PM-Tag": "spring"}),
    },
    messages.Sms: {
        "body": _key(f"The text, {_TEMPLATE}; at most 1,600 characters.", "It's here, {{ user.first_name }}")
    },
    messages.Push: {
        "title": _key(f"The title, {_TEMPLATE}.", "Still thinking it over?"),
        "body": _key(f"The text, {_TEMPLATE}.", "15% off until Sunday"),
        "link": _LINK,
        "buttons": _key("The buttons, each an id or a mapping.", ["snooze", {"id": "later", "label": "Later"}]),
        "pages": _key("The pages of a push story, each an id or a mapping.", [{"id": "2", "title": "More"}]),
    },
    messages.Webhook: {
        "url": _key(f"The address, {_TEMPLATE} whose values are percent-encoded.", "https://api.shop.example/hook"),
        "method": _key("The method of the request.", "POST"),
        "headers": _key("The headers of the request, each a Liquid template.", {"Content-Type": "application/json"}),
        "body": _key(f"The body, {_TEMPLATE} whose values are encoded as JSON.", '{"user": "{{ user.id }}"}'),
    },
    messages.InAppMessage: {
        "title": _key(f"The title, {_TEMPLATE}.", "Welcome, {{ user.first_name | default: 'friend' }}"),
        "body": _key(f"The text, {_TEMPLATE}.", "Have a look around"),
        "buttons": _key("The buttons, each an id or a mapping.", [{"id": "later", "label": "Later"}]),
    },
    messages.ContentCard: {
        "title": _key(f"The title, {_TEMPLATE}.", "Spring"),
        "body": _key(f"The text, {_TEMPLATE}.", "It's here"),
        "link": _LINK,
    },
    messages.NewsFeedCard: {
        "title": _key(f"The title, {_TEMPLATE}.", "Spring"),
        "body": _key(f"The text, {_TEMPLATE}.", "It's here"),
        "link": _LINK,
    },
    messages.Button: {
        "id": _key("The id by which interactions name it.", "snooze"),
        "label": _key(f"What the button says, {_TEMPLATE}.", "Later"),
        "link": _LINK,
    },
    messages.Page: {
        "id": _key("The id by which interactions name it.", "2"),
        "title": _key(f"The title, {_TEMPLATE}.", "More for you"),
        "body": _key(f"The text, {_TEMPLATE}.", "New this week"),
        "link": _LINK,
    },
}
"""By model and key; a model that inherits keys has their texts, unless it has its own."""


def key_text(model: type[BaseModel], key: str) -> KeyText:
    """Return the text of a model's key as it is written. Raises KeyError if it has none."""
    for ancestor in model.__mro__:
        if key in (texts := KEY_TEXTS.get(ancestor, {})):
            return texts[key]
    raise KeyError(f"{model.__name__}.{key}")
