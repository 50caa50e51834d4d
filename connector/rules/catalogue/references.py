"""Do a target's messages have what a trigger or an exception listens for? (P7)

Only looked at where we know the messages: our own, and those that an external campaign's definition writes down. Every
revision that was ever published counts, besides the newest: its messages are still out there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import ActionBased, Campaign, External
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.interactions import InteractionType
from connector.rules.model.messages import Messages
from connector.rules.model.values import ChannelName

T = InteractionType
_CHANNEL_OF: dict[InteractionType, ChannelName] = {
    T.VIEW_IN_APP_MESSAGE: "in_app_message",
    T.CLICK_IN_APP_MESSAGE: "in_app_message",
    T.CLICK_IN_APP_MESSAGE_BUTTON: "in_app_message",
    T.CLICK_EMAIL: "email",
    T.CLICK_EMAIL_ALIAS: "email",
    T.OPEN_EMAIL: "email",
    T.RECEIVE_EMAIL: "email",
    T.OPEN_PUSH: "push",
    T.CLICK_PUSH_BUTTON: "push",
    T.CLICK_PUSH_STORY_PAGE: "push",
    T.RECEIVE_PUSH: "push",
    T.RECEIVE_SMS: "sms",
    T.CLICK_SMS_LINK: "sms",
    T.RECEIVE_WEBHOOK: "webhook",
    T.VIEW_CONTENT_CARD: "content_card",
    T.CLICK_CONTENT_CARD: "content_card",
    T.DISMISS_CONTENT_CARD: "content_card",
    T.VIEW_NEWS_FEED_CARD: "news_feed_card",
    T.CLICK_NEWS_FEED_CARD: "news_feed_card",
}
"""The channel that a message must be on for the interaction to happen; enrolments and conversions need none."""


@dataclass(frozen=True)
class _KnownMessages:
    """What we know of a target: its revisions' definitions and all the messages that they send."""

    campaigns: tuple[Campaign, ...]
    messages: tuple[Messages, ...]


def contents_of(campaign: Campaign) -> list[Messages]:
    """What it may send: its messages, or those of each variant."""
    contents = [campaign.messages, *(variant.messages for variant in campaign.variants or ())]
    return [content for content in contents if content is not None]


def content_problems(follow_on: ActionBased, catalogue: Catalogue) -> Iterator[str]:
    """The channels, aliases and buttons that it names and its targets' messages do not have (P7)."""
    for condition, known in _known_targets(follow_on, catalogue):
        channel = _CHANNEL_OF.get(condition.interaction)
        channels = sorted({name for message in known.messages for name in message.channels})
        if channel is not None and channel not in channels:
            yield (
                f"{condition.interaction} of {condition.target} cannot happen: {condition.target} has no message on "
                f"{channel}, only on {', '.join(channels)}; listen to another interaction, or add the message"
            )
        elif condition.alias is not None:
            yield from _unless_there("alias", condition.alias, condition.target, _aliases(known))
        elif condition.button is not None:
            yield from _unless_there("button", condition.button, condition.target, _buttons(known, channel))


def content_warnings(follow_on: ActionBased, catalogue: Catalogue) -> Iterator[str]:
    """What its targets do not have as they are, so that it will not happen: pages, conversions, a control group."""
    for condition, known in _known_targets(follow_on, catalogue):
        lacks = f"{condition.target} has no"
        if any(isinstance(campaign.delivery, External) for campaign in known.campaigns):
            continue  # its conversions and control group are its sender's affair
        if condition.page is not None:
            yield from _unless_there("page", condition.page, condition.target, _pages(known))
        elif condition.interaction is T.PERFORM_CONVERSION_EVENT:
            letter = condition.conversion or "A"
            if not any(len(campaign.conversions) > "ABCD".index(letter) for campaign in known.campaigns):
                yield f"{lacks} conversion {letter}, so that it cannot happen; add it to {condition.target}"
        elif condition.interaction is T.ENROLL_IN_CONTROL_GROUP and not any(c.control_group for c in known.campaigns):
            yield f"{lacks} control group, so that nobody can be enrolled in it; add it to {condition.target}"


def _known_targets(
    follow_on: ActionBased, catalogue: Catalogue
) -> Iterator[tuple[InteractionCondition, _KnownMessages]]:
    for condition in (*follow_on.trigger, *follow_on.exceptions):
        if isinstance(condition, InteractionCondition):
            entry = catalogue.entries.get(condition.campaign or "")
            known = _knowledge_of(entry) if entry else None
            if known is not None:
                yield condition, known


def _knowledge_of(entry: Entry) -> _KnownMessages | None:
    """What we know of a campaign; None for cards, and where another system sends it and nothing says what."""
    definitions = [revision.definition for revision in (*entry.published, entry.newest)]
    campaigns = tuple(definition for definition in definitions if isinstance(definition, Campaign))
    untold = any(isinstance(c.delivery, External) and not contents_of(c) for c in campaigns)
    if untold or len(campaigns) < len(definitions):
        return None
    return _KnownMessages(campaigns, tuple(content for campaign in campaigns for content in contents_of(campaign)))


def _unless_there(kind: str, wanted: str, target: str, there: set[str]) -> Iterator[str]:
    """A problem unless the name is there, or may be made by a template."""
    if wanted not in there and not any("{{" in name or "{%" in name for name in there):
        has = f"only {', '.join(sorted(there))}" if there else "none"
        yield f"{target} has no {kind} {wanted}, {has}; it would never be clicked: name one that is there, or add it"


def _aliases(known: _KnownMessages) -> set[str]:
    found: set[str] = set()
    for message in known.messages:
        if message.email is not None and message.email.html is not None:
            reader = _AliasReader()
            reader.feed(message.email.html)
            reader.close()
            found |= reader.found
    return found


def _buttons(known: _KnownMessages, channel: ChannelName | None) -> set[str]:
    messages = [message.push if channel == "push" else message.in_app_message for message in known.messages]
    return {button.id for message in messages if message is not None for button in message.buttons}


def _pages(known: _KnownMessages) -> set[str]:
    return {page.id for message in known.messages if message.push is not None for page in message.push.pages}


class _AliasReader(HTMLParser):
    """Collects the data-alias of every element."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the alias, where it has one."""
        self.found.update(value for name, value in attrs if name == "data-alias" and value)
