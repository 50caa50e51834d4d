"""The ordered list "at the trigger" (behaviour.md; P1, P2, T1, T2), and the follow-up that it starts (P10, D1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window
from connector.rules.model.campaigns import Workspace, parse_definition
from connector.rules.model.conditions import Condition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.triggering.trigger_list import (
    AT_THE_TRIGGER,
    TriggerFacts,
    begin_follow_up,
    compute_key,
    evaluate_trigger,
    is_trigger,
)
from tests.support.builders import ORIGINAL, PUSHED, follow_on

PUBLISHED = datetime(2026, 3, 2, tzinfo=UTC)
CLOSED, REOPENED = PUBLISHED + timedelta(hours=10), PUBLISHED + timedelta(hours=12)
SECOND = timedelta(seconds=1)
NOON = PUBLISHED + timedelta(hours=36)
GOLD = {"attribute": "tier", "is": "gold"}


class EmptyHistory:
    """A history in which nothing happened."""

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        return False


def pushed(t: datetime, received_at: datetime | None = None, **properties: Any) -> LogEntry:
    """Return a push that was received at `t`, and arrived then or later."""
    item = parse_item(
        {"id": "e", "user": "u", "type": "receive_push", "campaign": "o", "occurred_at": t, "properties": properties}
    )
    return LogEntry(id="e", seq=1, t=t, received_at=received_at or t, item=item)


def entry(definition: dict[str, Any], *windows: Window, state: Lifecycle = "active") -> Entry:
    parsed = parse_definition(definition)
    effective = windows[0].opened_at if windows else None
    return Entry(parsed.id, state, (Revision(1, parsed, effective),), windows)  # type: ignore[arg-type,union-attr]


def facts(
    t: datetime = NOON,
    received_at: datetime | None = None,
    *,
    windows: tuple[Window, ...] = (Window(1, PUBLISHED),),
    target: tuple[Window, ...] = (Window(2, PUBLISHED - timedelta(days=30)),),
    workspace: dict[str, Any] | None = None,
    **delivery: Any,
) -> TriggerFacts:
    """Return the facts of a push of `o` that triggers `f`, with the windows of both."""
    settings = Workspace.model_validate(workspace or {})
    f, o = entry(follow_on("f", PUSHED, **delivery), *windows), entry(ORIGINAL, *target)
    catalogue = Catalogue().with_entries([f, o], version=1, workspace=settings)
    return TriggerFacts(pushed(t, received_at), f, catalogue, User(id="u"), "k", EmptyHistory(), None, None)


def waiting(state: State = State.WAITING, dispatched_at: datetime | None = None) -> FollowUp:
    """Return a blocking follow-up of the same key."""
    logged = pushed(NOON - timedelta(hours=1))
    due = NOON + timedelta(hours=1)
    return FollowUp("p", "f", 1, 1, "k", "", logged, due, due, state, dispatched_at=dispatched_at)


def test_nothing_refuses_it() -> None:
    """A trigger that passes every check starts a follow-up."""
    assert evaluate_trigger(facts()) is None


def test_the_order_of_the_list() -> None:
    """P2, P1, T1, T2: if every check fails, they refuse in behaviour.md's order as the ones before are mended."""
    wrong = facts(
        PUBLISHED - SECOND,
        target=(),
        audience=GOLD,
        start=(NOON + SECOND).isoformat(),
        eligible_again="never",
    )
    wrong = replace(wrong, received_at=NOON - timedelta(hours=2), blocking=waiting())
    stopped = (Window(1, PUBLISHED, CLOSED),)
    mended: tuple[TriggerFacts, ...] = (
        replace(wrong, logged=pushed(NOON), entry=replace(wrong.entry, windows=stopped)),
        replace(wrong, logged=pushed(NOON)),
        replace(wrong, logged=pushed(NOON), catalogue=facts().catalogue),
        replace(wrong, logged=pushed(NOON + SECOND), catalogue=facts().catalogue),
        replace(wrong, logged=pushed(NOON + SECOND), catalogue=facts().catalogue, user=_gold()),
        replace(wrong, logged=pushed(NOON + SECOND), catalogue=facts().catalogue, user=_gold(), received_at=None),
    )
    assert [evaluate_trigger(one) for one in (wrong, *mended)] == [
        Reason.BEFORE_PUBLISH,
        Reason.NOT_LIVE,
        Reason.TARGET_INACTIVE,
        Reason.OUTSIDE_CAMPAIGN_DURATION,
        Reason.NOT_IN_AUDIENCE,
        Reason.NOT_ELIGIBLE_AGAIN,
        Reason.ALREADY_WAITING,
    ]
    assert len(AT_THE_TRIGGER) == 7


def _gold() -> User:
    return User(id="u", attributes={"tier": "gold"})


STOPPED_BETWEEN = (Window(1, PUBLISHED, CLOSED), Window(3, REOPENED))


@pytest.mark.parametrize(
    ("t", "received_at", "expected"),
    [
        (PUBLISHED - SECOND, PUBLISHED + timedelta(minutes=5), Reason.BEFORE_PUBLISH),  # case 1
        (PUBLISHED, PUBLISHED, None),  # case 1
        (PUBLISHED - SECOND, CLOSED, Reason.BEFORE_PUBLISH),  # even if it is not live either
        (CLOSED - SECOND, CLOSED - SECOND, None),
        (CLOSED, CLOSED, Reason.NOT_LIVE),
        (CLOSED - SECOND, CLOSED, Reason.NOT_LIVE),  # arrives after the stop
        (CLOSED - SECOND, REOPENED, None),  # in a window, and live again
        (REOPENED - SECOND, REOPENED, Reason.NOT_LIVE),  # what happened in the gap is never picked up
        (REOPENED, REOPENED, None),
    ],
)
def test_publication(t: datetime, received_at: datetime, expected: Reason | None) -> None:
    """P2, P9: it happened since the first publication, in a window, and arrived while live (cases 1 and 20)."""
    assert evaluate_trigger(facts(t, received_at, windows=STOPPED_BETWEEN)) == expected


@pytest.mark.parametrize(
    ("target", "windows", "t", "expected"),
    [
        ("active", STOPPED_BETWEEN, CLOSED - SECOND, None),
        ("active", STOPPED_BETWEEN, CLOSED, Reason.TARGET_INACTIVE),
        ("active", STOPPED_BETWEEN, REOPENED, None),
        ("ever_published", STOPPED_BETWEEN, CLOSED, None),
        ("ever_published", STOPPED_BETWEEN, PUBLISHED - SECOND, Reason.TARGET_INACTIVE),
        ("active", (), NOON, Reason.TARGET_INACTIVE),
        ("ever_published", (), NOON, Reason.TARGET_INACTIVE),
    ],
)
def test_target(target: str, windows: tuple[Window, ...], t: datetime, expected: Reason | None) -> None:
    """P1: the target was active at `t`; `ever_published` also counts items after a stop."""
    since = (Window(1, PUBLISHED - timedelta(days=1)),)
    assert evaluate_trigger(facts(t, windows=since, target=windows, workspace={"target": target})) == expected


def test_the_target_counts_at_event_time() -> None:
    """P1, P2: the target's state at `t` counts, not at the arrival."""
    target = (Window(2, PUBLISHED, CLOSED),)
    assert evaluate_trigger(facts(CLOSED - SECOND, CLOSED + timedelta(hours=1), target=target)) is None


@pytest.mark.parametrize(
    ("retrigger", "blocking", "expected"),
    [
        ("ignore", None, None),
        ("ignore", waiting(), Reason.ALREADY_WAITING),
        ("ignore", waiting(State.HELD), Reason.ALREADY_WAITING),
        ("restart", waiting(), None),
        ("restart", waiting(State.HELD), None),
        ("restart", waiting(State.SENDING, NOON), Reason.ALREADY_WAITING),
        ("restart", waiting(State.HELD, NOON), Reason.ALREADY_WAITING),  # one of its channels has gone out
    ],
)
def test_single_wait(retrigger: str, blocking: FollowUp | None, expected: Reason | None) -> None:
    """T2: `ignore` refuses a second trigger, `restart` supersedes the first unless it is being sent (case 14)."""
    assert evaluate_trigger(replace(facts(retrigger=retrigger), blocking=blocking)) == expected


@pytest.mark.parametrize(
    ("rule", "since", "expected"),
    [
        ("never", None, None),
        ("never", timedelta(days=900), Reason.NOT_ELIGIBLE_AGAIN),
        ("always", SECOND, None),
        ({"after": "1 day"}, timedelta(days=1), None),
        ({"after": "1 day"}, timedelta(days=1) - SECOND, Reason.NOT_ELIGIBLE_AGAIN),
    ],
)
def test_eligible_again(rule: Any, since: timedelta | None, expected: Reason | None) -> None:
    """T1: from the receipt, in seconds (case 13); a user who did not receive stays eligible."""
    received_at = NOON - since if since else None
    assert evaluate_trigger(replace(facts(eligible_again=rule), received_at=received_at)) == expected


def test_the_revision_in_effect_applies() -> None:
    """P10: an edit counts from its own `effective_at`; P2 counts from the first publication."""
    first, second = (parse_definition(follow_on("f", PUSHED, delay={"after": after})) for after in ("1 hour", "1 day"))
    revisions = (Revision(1, first, PUBLISHED), Revision(2, second, NOON))  # type: ignore[arg-type]
    edited = replace(facts().entry, revisions=revisions)
    begun = [begin_follow_up(replace(facts(t), entry=edited), "", 0) for t in (NOON - SECOND, NOON)]
    assert [(follow_up.revision, follow_up.due_at - follow_up.trigger.t) for follow_up in begun] == [
        (1, timedelta(hours=1)),
        (2, timedelta(days=1)),
    ]


def test_the_follow_up_that_it_starts() -> None:
    """D1: due the delay after `t`, in the window of `t`, on the channels of its message."""
    follow_up = begin_follow_up(facts(delay={"after": "3 days"}, windows=STOPPED_BETWEEN), "", 0)
    assert (follow_up.due_at, follow_up.next_at, follow_up.window_id) == (NOON + timedelta(days=3),) * 2 + (3,)
    assert (follow_up.state, follow_up.channels, follow_up.revision) == (State.WAITING, ("push",), 1)
    assert follow_up.id != begin_follow_up(facts(), "", 1).id


@pytest.mark.parametrize(
    ("properties", "key"), [({"sku": "A"}, '"A"'), ({"sku": 1}, "1"), ({"sku": None}, "null"), ({}, "null")]
)
def test_key(properties: dict[str, Any], key: str) -> None:
    """T2: one wait per user and key, by the key's canonical JSON (case 24)."""
    keyed = facts(key="properties.sku").entry
    assert compute_key(pushed(NOON, **properties).item, keyed, NOON) == key
    assert compute_key(pushed(NOON, **properties).item, facts().entry, NOON) == ""


@pytest.mark.parametrize(("robots", "counts"), [("ignore", False), ("count", True)])
def test_robots_do_not_trigger(robots: str, counts: bool) -> None:
    """M2: a click flagged as a robot's does not trigger, unless the workspace counts robots."""
    trigger_facts = facts(workspace={"robots": robots})
    click = {"id": "c", "user": "u", "type": "click_email", "campaign": "o", "occurred_at": NOON.isoformat()}
    clicked = entry(follow_on("f", {"interaction": "click_email", "campaign": "o"}), Window(1, PUBLISHED))
    assert is_trigger(parse_item(click), clicked, NOON, trigger_facts.catalogue)
    assert (
        is_trigger(parse_item({**click, "properties": {"robot": True}}), clicked, NOON, trigger_facts.catalogue)
        == counts
    )


@pytest.mark.parametrize("is_blocked", [True, False])
def test_late_trigger_from_before_the_receipt(is_blocked: bool) -> None:
    """T1, T5: within the wait of a sent follow-up it is already_waiting, as in order; else the user has received it."""
    sent = waiting(State.SENT, dispatched_at=NOON + timedelta(hours=1))
    late = replace(facts(eligible_again="never"), received_at=NOON + timedelta(hours=1))
    reason = evaluate_trigger(replace(late, blocking=sent if is_blocked else None))
    assert reason == (Reason.ALREADY_WAITING if is_blocked else Reason.NOT_ELIGIBLE_AGAIN)
