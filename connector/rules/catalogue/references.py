"""Check the references of follow-ons: targets exist (P3, M5) and have what the conditions name (P7).

Messages are checked only if they are known: our own, and those in an external campaign's definition. Every revision
that was ever published counts besides the newest, because users still have its messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import ActionBased, Campaign, External
from connector.rules.model.conditions import Condition, InteractionCondition
from connector.rules.model.html_source import read_tags
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
"""The channel that a target must send on for the interaction to happen; enrolments and conversions need none."""


@dataclass(frozen=True)
class _KnownMessages:
    """The definitions of a target's revisions, and all contents that they send."""

    campaigns: tuple[Campaign, ...]
    contents: tuple[Messages, ...]


def target_problems(catalogue: Catalogue, entry: Entry) -> list[str]:
    """Return what is wrong with the targets of an entry's newest revision (P3, M5).

    Each must exist and be of the kind that the condition names. A trigger's target must not be archived; an
    exception's may be.
    """
    follow_on = entry.follow_on(entry.newest)
    if follow_on is None:
        return []
    problems = [_target_problem(catalogue, "trigger", condition) for condition in follow_on.trigger]
    problems += [_target_problem(catalogue, "exception", condition) for condition in follow_on.exceptions]
    return [f"{entry.id}: {problem}" for problem in problems if problem is not None]


def content_problems(follow_on: ActionBased, catalogue: Catalogue) -> Iterator[str]:
    """Yield a problem for each channel, alias and button that it names and its targets' messages do not have (P7)."""
    for condition, known in _known_targets(follow_on, catalogue):
        channel = _CHANNEL_OF.get(condition.interaction)
        channels = sorted({name for content in known.contents for name in content.channels})
        if channel is not None and channel not in channels:
            yield (
                f"{condition.interaction} of {condition.target} cannot happen: {condition.target} has no message on "
                f"{channel}, only on {', '.join(channels)}; listen to another interaction, or add the message"
            )
        elif condition.alias is not None:
            yield from _missing("alias", condition.alias, condition.target, _aliases(known))
        elif condition.button is not None:
            yield from _missing("button", condition.button, condition.target, _buttons(known, channel))


def content_warnings(follow_on: ActionBased, catalogue: Catalogue) -> Iterator[str]:
    """Yield a warning for each page, conversion and control group that it names and its targets do not have."""
    for condition, known in _known_targets(follow_on, catalogue):
        lacks = f"{condition.target} has no"
        if any(isinstance(campaign.delivery, External) for campaign in known.campaigns):
            continue  # another system decides on its conversions and control group
        if condition.page is not None:
            yield from _missing("page", condition.page, condition.target, _pages(known))
        elif condition.interaction is T.PERFORM_CONVERSION_EVENT:
            letter = condition.conversion or "A"
            if not any(len(campaign.conversions) > "ABCD".index(letter) for campaign in known.campaigns):
                yield f"{lacks} conversion {letter}, so it cannot happen; add it to {condition.target}"
        elif condition.interaction is T.ENROLL_IN_CONTROL_GROUP and not any(c.control_group for c in known.campaigns):
            yield f"{lacks} control group, so nobody can be enrolled in it; add one to {condition.target}"


def _target_problem(catalogue: Catalogue, role: str, condition: Condition) -> str | None:
    if not isinstance(condition, InteractionCondition):
        return None
    kind, other = ("card", "campaign") if condition.card else ("campaign", "card")
    target = catalogue.entries.get(condition.target)
    named = f"its {role} names the {kind} {condition.target}"
    if target is None:
        return f"{named}, which does not exist; apply it first"
    if target.is_card != (condition.card is not None):
        return f"{named}, which is a {other}; write {other}: {condition.target}"
    if role == "trigger" and target.state == "archived":
        return f"{named}, which is archived and sends nothing any more; listen to another one"
    return None


def _known_targets(
    follow_on: ActionBased, catalogue: Catalogue
) -> Iterator[tuple[InteractionCondition, _KnownMessages]]:
    for condition in (*follow_on.trigger, *follow_on.exceptions):
        if isinstance(condition, InteractionCondition):
            entry = catalogue.entries.get(condition.campaign or "")
            known = _known_messages(entry) if entry else None
            if known is not None:
                yield condition, known


def _known_messages(entry: Entry) -> _KnownMessages | None:
    """Return the known messages of a campaign; None for cards and for external campaigns without messages."""
    definitions = [revision.definition for revision in (*entry.published, entry.newest)]
    campaigns = tuple(definition for definition in definitions if isinstance(definition, Campaign))
    is_unknown = any(isinstance(c.delivery, External) and not c.contents for c in campaigns)
    if is_unknown or len(campaigns) < len(definitions):
        return None
    return _KnownMessages(campaigns, tuple(content for campaign in campaigns for content in campaign.contents))


def _missing(kind: str, name: str, target: str, existing: set[str]) -> Iterator[str]:
    """Yield a problem unless the name exists or a template may render it."""
    if name not in existing and not any("{{" in other or "{%" in other for other in existing):
        has = f"only {', '.join(sorted(existing))}" if existing else "none"
        yield f"{target} has no {kind} {name}, {has}; it would never be clicked: name one that exists, or add it"


def _aliases(known: _KnownMessages) -> set[str]:
    aliases: set[str] = set()
    for content in known.contents:
        if content.email is not None and content.email.html is not None:
            aliases.update(alias for tag in read_tags(content.email.html) if (alias := tag.value("data-alias")))
    return aliases


def _buttons(known: _KnownMessages, channel: ChannelName | None) -> set[str]:
    messages = [content.push if channel == "push" else content.in_app_message for content in known.contents]
    return {button.id for message in messages if message is not None for button in message.buttons}


def _pages(known: _KnownMessages) -> set[str]:
    return {page.id for content in known.contents if content.push is not None for page in content.push.pages}
