"""Check the references of follow-ons: targets exist (P3, M5) and have what the conditions name (P7).

Messages are checked only if they are known: our own, and those in an external campaign's definition. Every revision
that was ever published counts besides the newest, because users still have its messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign, External
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.errors import Fault
from connector.rules.model.html_source import read_tags
from connector.rules.model.interactions import CARD_INTERACTIONS, InteractionType
from connector.rules.model.messages import Messages
from connector.rules.model.nearest import nearest, suggestion
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


_MAX_NAMES = 10
"""The maximum number of existing names in a problem."""


@dataclass(frozen=True)
class _KnownMessages:
    """The definitions of a target's revisions, and all contents that they send; none if they are not known."""

    campaigns: tuple[Campaign, ...]
    contents: tuple[Messages, ...]


@dataclass(frozen=True)
class TargetParts:
    """What conditions on a target can name: its channels, and the parts of its messages. Empty if not known.

    `conversions` are letters; `urls` are links of emails that are no templates.
    """

    channels: tuple[str, ...] = ()
    push_buttons: tuple[str, ...] = ()
    in_app_buttons: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    conversions: tuple[str, ...] = ()


def target_parts(entry: Entry) -> TargetParts:
    """Return what a condition on this campaign or card can name, over all revisions that users may have got."""
    known = _known_messages(entry)
    if known is None:
        return TargetParts(channels=("news_feed_card",))
    links = (tag.value("href") for html in _html_texts(known) for tag in read_tags(html) if tag.name == "a")
    return TargetParts(
        channels=tuple(sorted({name for content in known.contents for name in content.channels})),
        push_buttons=tuple(sorted(_buttons(known, "push"))),
        in_app_buttons=tuple(sorted(_buttons(known, "in_app_message"))),
        aliases=tuple(sorted(_aliases(known))),
        urls=tuple(sorted({url for url in links if url and "{" not in url and ":" in url})),
        pages=tuple(sorted(_pages(known))),
        conversions=tuple("ABCD"[: max((len(campaign.conversions) for campaign in known.campaigns), default=0)]),
    )


def target_problems(campaign: Campaign, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield the problems of the targets of a follow-on (P3, M5).

    Each must exist and be of the kind that the condition names. A trigger's target must not be archived; an
    exception's may be.
    """
    for role, key, condition in _conditions(campaign):
        problem = _target_problem(catalogue, role, condition)
        if problem is not None:
            yield Fault(f"{key}.{'card' if condition.card else 'campaign'}", problem)


def content_problems(campaign: Campaign, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield a problem for each channel, alias, button and page that it names and its targets do not have (P7)."""
    for key, condition, known in _known_targets(campaign, catalogue):
        channel = _CHANNEL_OF.get(condition.interaction)
        target, channels = condition.target, {name for content in known.contents for name in content.channels}
        if condition.interaction in CARD_INTERACTIONS and "news_feed_card" not in channels:
            yield Fault(
                f"{key}.campaign",
                f"{condition.interaction} is an interaction with a card, and {target} is a campaign without a "
                "news_feed_card message; name a card (card: …), or listen to another interaction",
            )
        elif not known.contents:
            continue
        elif channel is not None and channel not in channels:
            yield Fault(
                f"{key}.interaction",
                f"{condition.interaction} of {target} cannot happen: {target} has no message on {channel}, only on "
                f"{', '.join(sorted(channels))}; listen to another interaction, or add the message",
            )
        elif condition.alias is not None:
            yield from _missing(f"{key}.alias", "alias", condition.alias, target, _aliases(known))
        elif condition.button is not None:
            yield from _missing(f"{key}.button", "button", condition.button, target, _buttons(known, channel))
        elif condition.page is not None:
            yield from _missing(f"{key}.page", "page", condition.page, target, _pages(known))
        elif condition.interaction is T.CLICK_PUSH_BUTTON and not _buttons(known, channel):
            yield Fault(f"{key}.interaction", f"{target}'s push has no buttons; add one, or listen to open_push")
        elif condition.interaction is T.CLICK_PUSH_STORY_PAGE and not _pages(known):
            yield Fault(f"{key}.interaction", f"{target}'s push has no pages; add one, or listen to open_push")


def content_warnings(campaign: Campaign, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield a warning for each conversion and control group that it names and its targets do not have."""
    for key, condition, known in _known_targets(campaign, catalogue):
        lacks = f"{condition.target} has no"
        if any(isinstance(target.delivery, External) for target in known.campaigns):
            continue  # another system decides on its conversions and control group
        if condition.interaction is T.PERFORM_CONVERSION_EVENT:
            letter = condition.conversion or "A"
            if not any(len(target.conversions) > "ABCD".index(letter) for target in known.campaigns):
                yield Fault(key, f"{lacks} conversion {letter}, so it cannot happen; add it to {condition.target}")
        elif condition.interaction is T.ENROLL_IN_CONTROL_GROUP and not any(t.control_group for t in known.campaigns):
            yield Fault(key, f"{lacks} control group, so no user can be enrolled in it; add one to {condition.target}")


def _conditions(campaign: Campaign) -> Iterator[tuple[str, str, InteractionCondition]]:
    """Yield the role, key and condition of each interaction that a follow-on listens to."""
    follow_on = campaign.follow_on
    if follow_on is None:
        return
    for role, name, conditions in (
        ("trigger", "trigger", follow_on.trigger),
        ("exception", "exceptions", follow_on.exceptions),
    ):
        for number, condition in enumerate(conditions):
            if isinstance(condition, InteractionCondition):
                yield role, f"delivery.{name}[{number}]", condition


def _target_problem(catalogue: Catalogue, role: str, condition: InteractionCondition) -> str | None:
    kind, other = ("card", "campaign") if condition.card else ("campaign", "card")
    target = catalogue.entries.get(condition.target)
    named = f"its {role} names the {kind} {condition.target}"
    if target is None:
        match = nearest(condition.target, catalogue.entries)
        likely = f"did you mean {match}? If not, apply it first" if match else "apply it first"
        return f"{named}, which does not exist; {likely}"
    if target.is_card != (condition.card is not None):
        return f"{named}, which is a {other}; write {other}: {condition.target}"
    if role == "trigger" and target.state == "archived":
        return f"{named}, which is archived and sends nothing any more; listen to another one"
    return None


def _known_targets(
    campaign: Campaign, catalogue: Catalogue
) -> Iterator[tuple[str, InteractionCondition, _KnownMessages]]:
    """Yield the conditions on campaigns, each with its key and the messages of its target, if they are known."""
    for _, key, condition in _conditions(campaign):
        entry = catalogue.entries.get(condition.campaign or "")
        known = _known_messages(entry) if entry else None
        if known is not None:
            yield key, condition, known


def _known_messages(entry: Entry) -> _KnownMessages | None:
    """Return the messages of a campaign, without contents if they are not known; None for cards."""
    definitions = [revision.definition for revision in (*entry.published, entry.newest)]
    campaigns = tuple(definition for definition in definitions if isinstance(definition, Campaign))
    if len(campaigns) < len(definitions):
        return None
    if any(isinstance(c.delivery, External) and not c.contents for c in campaigns):
        return _KnownMessages(campaigns, ())
    return _KnownMessages(campaigns, tuple(content for campaign in campaigns for content in campaign.contents))


def _missing(key: str, kind: str, name: str, target: str, existing: set[str]) -> Iterator[Fault]:
    """Yield a problem unless the name exists or a template may render it."""
    if name in existing or any("{{" in other or "{%" in other for other in existing):
        return
    names = sorted(existing)
    shown = ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")
    likely = suggestion(name, names, "name one that exists, or add it")
    only = f", only {shown}" if names else f", and no {kind} at all"
    yield Fault(key, f"{target} has no {kind} {name}{only}; {likely}")


def _aliases(known: _KnownMessages) -> set[str]:
    tags = (tag for html in _html_texts(known) for tag in read_tags(html))
    return {alias for tag in tags if (alias := tag.value("data-alias"))}


def _html_texts(known: _KnownMessages) -> Iterator[str]:
    emails = (content.email for content in known.contents)
    return (email.html for email in emails if email is not None and email.html is not None)


def _buttons(known: _KnownMessages, channel: ChannelName | None) -> set[str]:
    messages = [content.push if channel == "push" else content.in_app_message for content in known.contents]
    return {button.id for message in messages if message is not None for button in message.buttons}


def _pages(known: _KnownMessages) -> set[str]:
    return {page.id for content in known.contents if content.push is not None for page in content.push.pages}
