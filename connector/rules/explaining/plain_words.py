"""Interactions, delays and refinements in plain words, for pictures and pages that marketers read."""

from __future__ import annotations

from collections.abc import Mapping

from connector.rules.explaining.wording import format_value
from connector.rules.model.conditions import REFINEMENTS, Condition, EventCondition
from connector.rules.model.interactions import InteractionType
from connector.rules.model.schedules import After, Delay, Next
from connector.rules.model.values import format_duration

T = InteractionType

INTERACTION_TEXTS: Mapping[InteractionType, str] = {
    T.VIEW_IN_APP_MESSAGE: "sees the in-app message",
    T.CLICK_IN_APP_MESSAGE: "clicks the in-app message",
    T.CLICK_IN_APP_MESSAGE_BUTTON: "clicks a button of the in-app message",
    T.CLICK_EMAIL: "clicks in the email",
    T.CLICK_EMAIL_ALIAS: "clicks a link of the email",
    T.OPEN_EMAIL: "opens the email",
    T.OPEN_PUSH: "opens the push",
    T.CLICK_PUSH_BUTTON: "clicks a button of the push",
    T.CLICK_PUSH_STORY_PAGE: "clicks a page of the push story",
    T.PERFORM_CONVERSION_EVENT: "converts",
    T.RECEIVE_EMAIL: "receives the email",
    T.RECEIVE_SMS: "receives the text message",
    T.CLICK_SMS_LINK: "clicks the link in the text message",
    T.RECEIVE_PUSH: "receives the push",
    T.RECEIVE_WEBHOOK: "receives the webhook",
    T.ENROLL_IN_CONTROL_GROUP: "enters the control group",
    T.VIEW_CONTENT_CARD: "sees the content card",
    T.CLICK_CONTENT_CARD: "clicks the content card",
    T.DISMISS_CONTENT_CARD: "dismisses the content card",
    T.VIEW_NEWS_FEED_CARD: "sees the News Feed card",
    T.CLICK_NEWS_FEED_CARD: "clicks the News Feed card",
}
"""What a user does, by type; each follows a subject, as in "the user opens the email"."""


def describe_interaction(condition: Condition) -> str:
    """Return what a user does, without the target: "opens the email", or the name of an event."""
    return condition.event if isinstance(condition, EventCondition) else INTERACTION_TEXTS[condition.interaction]


def describe_refinement(condition: Condition) -> str | None:
    """Return what narrows a condition, as "alias: cta, plan: gold"; None if nothing does."""
    named = {} if isinstance(condition, EventCondition) else dict.fromkeys(REFINEMENTS)
    given = {name: getattr(condition, name) for name in named} | condition.where
    parts = [f"{name}: {format_value(value)}" for name, value in given.items() if value is not None]
    parts += [f"same {name}" for name in condition.same]
    return ", ".join(parts) or None


def describe_delay(delay: Delay | None) -> str:
    """Return how long a follow-on waits: "at once", "after 1 day", "next saturday at 15:15"."""
    if delay is None:
        return "at once"
    if isinstance(delay, After):
        return f"after {format_duration(delay.after)}"
    at = f"at {delay.at:%H:%M}" + (" (company's zone)" if delay.zone == "company" else "")
    if isinstance(delay, Next):
        return f"next {delay.next} {at}"
    days = (
        "the same day" if delay.in_days == 0 else "the next day" if delay.in_days == 1 else f"in {delay.in_days} days"
    )
    return f"{days} {at}"
