"""Scheduled originals in `connector simulate`: launched at their publish line, heard of by their follow-ons."""

from typing import Any

from tests.support.builders import listener, original
from tests.support.simulation import Connector


def user(name: str, **fields: Any) -> dict[str, Any]:
    return {"at": "2026-03-01T00:00:00Z", "user": {"id": name, "push_tokens": ["t"], **fields}}


def order(verb: str, day: int, *names: str, minute: int = 0) -> dict[str, Any]:
    return {"at": f"2026-03-{day:02}T12:{minute:02}:00Z", verb: list(names)}


RECEIVED, CONTROL = listener("received", "receive_push"), listener("control", "enroll_in_control_group")
CROWD = [user(f"u{n}") for n in range(40)]


def decided(outcomes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["campaign"], one["user"], one["triggered_at"]) for one in outcomes if one["state"] == "sent"]


def test_each_user_is_in_one_group(simulate: Connector) -> None:
    """Case 2, T4, W3: control users get the one follow-on, receivers the other; the launch is not printed."""
    story = [*CROWD, order("publish", 2, "received", "control"), order("publish", 3, "o")]
    run = simulate(original(control_group=20), RECEIVED, CONTROL, *story)
    assert run.code == 0, run.err
    assert {one["campaign"] for one in run.outcomes} == {"received", "control"}
    found = decided(run.outcomes)
    assert sorted(name for _, name, _ in found) == sorted(f"u{n}" for n in range(40))
    assert {at for _, _, at in found} == {"2026-03-03T12:00:00Z"}
    assert {name for name, _, _ in found} == {"received", "control"}


def test_wrong_order_is_refused(simulate: Connector) -> None:
    """P3: publishing the original while a draft listens to its launch."""
    run = simulate(original(), RECEIVED, *CROWD, order("publish", 3, "o"))
    assert run.code == 1
    assert "received" in run.err


def test_audience_and_consent(simulate: Connector) -> None:
    """Only those of the audience who can be reached and did not unsubscribe."""
    people = [
        user("gold", attributes={"tier": "gold"}),
        user("mute", attributes={"tier": "gold"}, consent={"push": "unsubscribed"}),
        user("paper"),
    ]
    story = [*people, order("publish", 2, "received"), order("publish", 3, "o")]
    run = simulate(original(audience={"attribute": "tier", "is": "gold"}), RECEIVED, *story)
    assert [name for _, name, _ in decided(run.outcomes)] == ["gold"]


def test_at_each_users_own_time(simulate: Connector) -> None:
    """D3: by each user's clock; a user without a zone by the company's."""
    people = [user("tokyo", time_zone="Asia/Tokyo"), user("york", time_zone="America/New_York"), user("none")]
    story = [*people, order("publish", 2, "received", "o")]
    run = simulate(original({"at": "2026-03-10 09:00"}), RECEIVED, *story)
    assert decided(run.outcomes) == [
        ("received", "tokyo", "2026-03-10T00:00:00Z"),
        ("received", "none", "2026-03-10T09:00:00Z"),
        ("received", "york", "2026-03-10T13:00:00Z"),
    ]


def test_so_many_a_minute(simulate: Connector) -> None:
    """The limit of every minute."""
    story = [*CROWD[:5], order("publish", 2, "received", "o")]
    run = simulate(original(per_minute=2), RECEIVED, *story)
    times = [at for _, _, at in decided(run.outcomes)]
    assert times == [f"2026-03-02T12:0{minute}:00Z" for minute in (0, 0, 1, 1, 2)]


def test_stop_pauses_and_resume_goes_on(simulate: Connector) -> None:
    """P9: what had not been sent is sent after the resume, once each; publishing again sends to nobody new."""
    newer = {"at": "2026-03-06T12:00:00Z", "apply": original(messages={"push": {"title": "a", "body": "b"}})}
    story = [
        *CROWD[:4], order("publish", 2, "received", "o"), order("stop", 2, "o", minute=1),
        {**user("late"), "at": "2026-03-03T00:00:00Z"}, order("resume", 5, "o"), newer, order("publish", 7, "o"),
    ]  # fmt: skip
    run = simulate(original(per_minute=1), RECEIVED, *story)
    assert run.code == 0, run.err
    days = [at[:10] for _, _, at in decided(run.outcomes)]
    assert days == ["2026-03-02"] * 2 + ["2026-03-05"] * 2


def test_archive_ends_it(simulate: Connector) -> None:
    """P9: what had not gone out never does."""
    story = [*CROWD[:4], order("publish", 2, "received", "o"), order("archive", 2, "o", minute=1)]
    run = simulate(original(per_minute=1), RECEIVED, *story)
    assert run.code == 0, run.err
    assert len(decided(run.outcomes)) == 2
