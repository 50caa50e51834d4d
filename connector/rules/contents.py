"""Does a target's content have what a trigger or exception listens for? Only where we know its messages (P7)."""

from __future__ import annotations

from html.parser import HTMLParser

from connector.rules.campaigns import ActionBased, Campaign, External
from connector.rules.catalogue import Catalogue
from connector.rules.conditions import InteractionCondition
from connector.rules.interactions import InteractionType
from connector.rules.messages import Messages

T = InteractionType
_CHANNEL_OF: dict[InteractionType, str] = {
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


def content_problems(follow_on: ActionBased, catalogue: Catalogue) -> list[str]:
    """What the triggers and exceptions name that their targets' messages do not have."""
    problems = []
    for condition in (*follow_on.trigger, *follow_on.exceptions):
        if not isinstance(condition, InteractionCondition):
            continue
        target = catalogue.entries.get(condition.campaign or "")
        definition = target.newest.definition if target else None
        if isinstance(definition, Campaign):
            problems += _problems(condition, definition)
    return problems


def _problems(condition: InteractionCondition, target: Campaign) -> list[str]:
    known = [variant.messages for variant in target.variants or ()]
    known += [target.messages] if target.messages is not None else []
    if isinstance(target.delivery, External) and not known:
        return []
    problems = []
    channel = _CHANNEL_OF.get(condition.interaction)
    if channel is not None and not any(channel in content.channels for content in known):
        return [f"{condition.interaction} cannot happen: {target.id} sends no {channel}"]
    if condition.interaction is T.ENROLL_IN_CONTROL_GROUP and target.control_group == 0:
        problems.append(f"{condition.interaction} cannot happen: {target.id} has no control group")
    number = ord(condition.conversion or "A") - ord("A")
    if condition.interaction is T.PERFORM_CONVERSION_EVENT and number >= len(target.conversions):
        problems.append(f"{target.id} has no conversion {condition.conversion or 'A'}")
    for kind, wanted, there in (
        ("alias", condition.alias, _aliases(known)),
        ("button", condition.button, _buttons(known, channel)),
        ("page", condition.page, _pages(known)),
    ):
        if wanted is not None and wanted not in there and not any("{" in name for name in there):
            has = ", ".join(sorted(there)) or "none"
            problems.append(f"{target.id} has no {kind} {wanted!r}; it has {has}")
    return problems


def _aliases(contents: list[Messages]) -> set[str]:
    reader = _Aliases()
    for content in contents:
        if content.email is not None and content.email.html is not None:
            reader.feed(content.email.html)
    return reader.found


def _buttons(contents: list[Messages], channel: str | None) -> set[str]:
    messages = [content.push if channel == "push" else content.in_app_message for content in contents]
    return {button.id for message in messages if message is not None for button in message.buttons}


def _pages(contents: list[Messages]) -> set[str]:
    return {page.id for content in contents if content.push for page in content.push.pages}


class _Aliases(HTMLParser):
    """Collects the data-alias of every link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the alias of a link."""
        self.found.update(value for name, value in attrs if tag == "a" and name == "data-alias" and value)
