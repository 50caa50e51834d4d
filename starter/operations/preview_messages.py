"""Preview what a campaign sends to a user, message by message, and what decides now. Nothing is sent or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from connector.app.store_context import StoreContext
from connector.channels.protocol import OutgoingMessage, Rejected
from connector.channels.provider_forms import describe_form
from connector.channels.rendering import MessageToRender, render_message
from connector.channels.tracked import open_preview_tracker
from connector.rules.explaining.context import EvidenceItem
from connector.rules.explaining.forecast import RuleCheck, first_objection, forecast_message
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.interactions import Interaction
from connector.rules.model.reasons import Reason
from connector.rules.model.values import format_instant
from connector.rules.sending.decisions import due_facts
from connector.rules.sending.deliveries import DueMessage, delivery_id
from connector.templating.templates import MessageAborted, RenderingFailed, RenderMoment, template_variables
from connector.templating.threads import run_in_thread
from connector.templating.variables import used_variables
from connector.tracking.tokens import PlaceholderTokens
from starter.operations.preview_choice import Choice
from starter.operations.preview_subject import Subject, load_subject


async def preview_messages(context: StoreContext, choice: Choice) -> dict[str, Any]:
    """Return the messages that a user would get if the campaign were live and triggered now, as JSON values.

    Each message is rendered as it would be sent, as of its due time. `checks` are the rules at the trigger; those of
    each message are evaluated as of its due time (`checks`), and as if it were due at once (`checks_now`).

    Raises: what `load_subject` raises.
    """
    subject = await load_subject(context, choice)
    channels = [choice.channel] if choice.channel else list(subject.content.channels)
    return {
        "campaign": choice.campaign,
        "revision": subject.revision,
        "state": subject.state,
        "as_of": format_instant(subject.now),
        "user": {"id": subject.user.id if subject.is_known else None, "is_invented": not subject.is_known},
        "trigger": _view_trigger(subject),
        "due_at": format_instant(subject.follow_up.due_at),
        "variant": subject.variant,
        "control": subject.assignment.control,
        "checks": [_view_check(check) for check in subject.checks],
        "messages": [await _view_message(context, subject, one) for one in channels],
    }


async def render_subject(context: StoreContext, subject: Subject, channel: str) -> OutgoingMessage:
    """Render one message of a preview as it would be sent; raises as `render_message` does."""
    message = MessageToRender(
        delivery_id=delivery_id(subject.follow_up.id, channel),
        follow_up=subject.follow_up,
        channel=channel,
        user=subject.user,
        campaign=subject.campaign,
        content=subject.content,
        moment=RenderMoment(subject.follow_up.due_at, subject.catalogue.workspace.zone),
    )
    return await render_message(message, context.settings.link_hosts)


async def _view_message(context: StoreContext, subject: Subject, channel: str) -> dict[str, Any]:
    checks = _checks(subject, channel, subject.follow_up.due_at)
    shown: dict[str, Any] = {"channel": channel, "content": None, "form": None, "tracking": None, "fault": None}
    try:
        message = await render_subject(context, subject, channel)
        shown["content"] = message.content
        shown |= await run_in_thread(partial(_form, context, message, subject.follow_up.due_at))
    except (RenderingFailed, MessageAborted, Rejected) as failure:
        shown["fault"] = _view_fault(failure)
    return {
        "channel": channel,
        **_outcome(subject, checks, shown["fault"]),
        **shown,
        "missing": list(_missing(subject, channel)),
        "checks": [_view_check(check) for check in checks],
        "checks_now": [_view_check(check) for check in _checks(subject, channel, subject.now)],
    }


def _form(context: StoreContext, message: OutgoingMessage, at: datetime) -> dict[str, Any]:
    """Return what the provider gets, and what tracking replaces. Raises Rejected."""
    tracker = open_preview_tracker(context.settings)
    form = describe_form(message, context.settings, tracker, at)
    if tracker is None or message.channel not in ("email", "sms"):
        return {"form": form}
    assert isinstance(tracker.tokens, PlaceholderTokens)  # noqa: S101 - a preview's tracker
    links = [{"number": one.link, "url": one.url, "alias": one.alias} for one in tracker.tokens.written if one.url]
    return {"form": form, "tracking": {"links": links, "opens": form.get("html") is not None}}


def _checks(subject: Subject, channel: str, at: datetime) -> list[RuleCheck]:
    """Return the results of the rules of the due time for one message, as of `at` (UTC)."""
    facts = due_facts(DueMessage(subject.follow_up, channel, {}), subject.recipient, subject.catalogue, at)
    return forecast_message(facts, replace(subject.context, follow_up=subject.follow_up, channel=channel))


def _outcome(subject: Subject, checks: Sequence[RuleCheck], fault: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what would become of the message, by the first rule that objects, and then by its template."""
    objection = first_objection([*subject.checks, *checks])
    if objection is not None:
        reason = objection.reason.value if objection.reason else None
        until = format_instant(objection.until)
        return {"outcome": objection.outcome, "reason": reason, "until": until, "words": objection.words}
    if fault is not None:
        return {"outcome": "failed", "reason": fault["reason"], "until": None, "words": fault["words"]}
    due_at = format_instant(subject.follow_up.due_at)
    return {"outcome": "sent", "reason": None, "until": None, "words": f"would be sent at {due_at}"}


def _view_fault(failure: RenderingFailed | MessageAborted | Rejected) -> dict[str, Any]:
    """Return why a message cannot be sent: by its template (W7), or by its channel."""
    if isinstance(failure, MessageAborted):
        reason, code, detail = Reason.ABORTED_BY_TEMPLATE, "template_aborted", str(failure) or None
    elif isinstance(failure, RenderingFailed):
        reason, code, detail = Reason.TEMPLATE_FAILED, "template_fault", failure.place_and_problem
    else:
        reason, code, detail = Reason.SEND_FAILED, failure.code, str(failure).partition(": ")[2] or None
    return {"reason": reason.value, "code": code, "words": REASON_TEXTS[reason], "detail": detail}


def _missing(subject: Subject, channel: str) -> Iterator[dict[str, str]]:
    """Yield the variables of the message's templates that have no value for this user: they render as nothing."""
    variables = template_variables(subject.follow_up, subject.user, subject.campaign)
    place = next(key for key, content in subject.campaign.keyed_contents if content is subject.content)
    prefix, seen = f"{place}.{channel}.", set[tuple[str, str]]()
    for key, path in used_variables(subject.campaign):
        name = ".".join(path)
        if key.startswith(prefix) and (key, name) not in seen and not _has_value(variables, path):
            seen.add((key, name))
            yield {"key": key, "variable": name}


def _has_value(variables: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(variables, Mapping):
            return variables is not None  # `size`, `first` and the like belong to the value
        variables = variables.get(part)
    return variables is not None


def _view_trigger(subject: Subject) -> dict[str, Any] | None:
    """Return the item that triggers; None if a launch sends the message."""
    if subject.campaign.follow_on is None:
        return None
    item = subject.follow_up.trigger.item
    interaction = item if isinstance(item, Interaction) else None
    return {
        "id": subject.follow_up.trigger.id,
        "type": item.name_or_type,
        "campaign": interaction.campaign if interaction else None,
        "card": interaction.card if interaction else None,
        "properties": item.properties,
        "is_sample": subject.is_sample,
    }


def _view_check(check: RuleCheck) -> dict[str, Any]:
    return {
        "rule": check.rule,
        "outcome": check.outcome,
        "reason": check.reason.value if check.reason else None,
        "until": format_instant(check.until),
        "words": check.words,
        "looked_at": [_view_evidence(one) for one in check.evidence],
    }


def _view_evidence(item: EvidenceItem) -> dict[str, Any]:
    return {"name": item.name, "value": item.value, "words": item.words}
