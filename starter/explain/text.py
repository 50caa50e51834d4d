"""An explanation as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from connector.rules.explaining.reasons import NOTED, describe_state
from connector.rules.explaining.wording import format_value
from connector.rules.model.reasons import OPEN_STATES, State
from starter.explain.explanation import (
    CampaignExplanation,
    Decision,
    DeliveryView,
    Explanation,
    InteractionView,
    NoDecision,
)

_OPEN = {state.value for state in OPEN_STATES}


def render_text(explanation: Explanation) -> Iterator[str]:
    """The lines of it."""
    yield f"{explanation.user}, as of {explanation.as_of}"
    if explanation.is_cut:
        yield "older decisions are left out; name one campaign with --campaign to see more of its own"
    if explanation.unreachable:
        yield f"a provider told that no messages arrive at the user's address for {', '.join(explanation.unreachable)}"
    for story in explanation.campaigns:
        yield from _story(story)
    for nothing in explanation.nothing_happened:
        yield from _nothing(nothing)
    if not explanation.campaigns and not explanation.nothing_happened:
        yield ""
        yield "nothing was decided, and nothing that was reported of this user comes near a live follow-on's trigger"


def _story(story: CampaignExplanation) -> Iterator[str]:
    published = f", published first at {story.first_published_at}" if story.first_published_at else ""
    yield ""
    yield f"{story.campaign} ({story.state}{published})"
    for chapter in story.chapters:
        yield f"  {_came_in(chapter.interaction)}"
        yield from (f"    {line}" for line in _chapter(chapter))


def _chapter(chapter: Decision) -> Iterator[str]:
    if chapter.follow_up is not None:
        key = f" for {format_value(chapter.key)}" if chapter.key is not None else ""
        yield f"began the follow-up {chapter.follow_up}{key}, due at {chapter.due_at}"
    yield _outcome(chapter)
    yield from (f"  {fact.words}" for fact in chapter.looked_at)
    for message in chapter.messages:
        yield _message(message)
        if message.reason != chapter.reason:
            yield from (f"  {fact.words}" for fact in message.looked_at)


def _outcome(chapter: Decision) -> str:
    state = describe_state(chapter.state)
    if chapter.state in _OPEN:
        return state if chapter.state == State.SENDING else f"{state} until {chapter.next_at}"
    when = f" at {chapter.decided_at}" if chapter.follow_up is not None and chapter.decided_at else ""
    if chapter.reason is None:
        return f"{state}{when}"
    return f"{state if chapter.state != NOTED else 'noted'}{when}: {chapter.words} ({chapter.reason})"


def _message(message: DeliveryView) -> str:
    at = message.claimed_at or message.decided_at
    fault = f" [{message.fault}]" if message.fault else ""
    code = f" ({message.reason})" if message.reason else ""
    return f"{message.channel}: {message.words}{code}{f' at {at}' if at else ''}{fault}"


def _came_in(item: InteractionView) -> str:
    arrived = f", arrived at {item.arrived_at}" if item.arrived_at not in (None, item.happened_at) else ""
    return f"{item.happened_at}  {_did(item)} ({item.id}){arrived}"


def _did(item: InteractionView) -> str:
    if item.type is None:
        return "an interaction that is not logged any more"
    target = item.campaign or item.card
    properties = ", ".join(f"{name}: {format_value(value)}" for name, value in (item.properties or {}).items())
    return f"{item.type}{f' of {target}' if target else ''}{f' [{properties}]' if properties else ''}"


def _nothing(nothing: NoDecision) -> Iterator[str]:
    yield ""
    yield f"{nothing.campaign} ({nothing.state}): nothing happened"
    if nothing.nearest is None:
        yield f"  {nothing.words}"
        return
    yield "  nearest to its trigger came"
    yield f"  {_came_in(nothing.nearest)}"
    yield f"    it did not count: {nothing.words}" + (f" ({nothing.shortfall})" if nothing.shortfall else "")
