"""Scheduled originals in `connector simulate`: launched at their publish line, heard of by their follow-ons."""

from typing import Any

import pytest

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
    newer = {"at": "2026-03-04T12:00:00Z", "apply": original(messages={"push": {"title": "a", "body": "b"}})}
    story = [
        *CROWD[:4], order("publish", 2, "received", "o"), order("stop", 2, "o", minute=1),
        {**user("late"), "at": "2026-03-03T00:00:00Z"}, order("resume", 3, "o"), newer, order("publish", 5, "o"),
    ]  # fmt: skip
    run = simulate(original(per_minute=1), RECEIVED, *story)
    assert run.code == 0, run.err
    days = [at[:10] for _, _, at in decided(run.outcomes)]
    assert days == ["2026-03-02"] * 2 + ["2026-03-03"] * 2
    assert "o: delivery.send: 2 users get the message at once" in run.err


NINE = {"at": "2026-03-10 09:00"}
ZONES = {"auckland": "Pacific/Auckland", "tokyo": "Asia/Tokyo", "berlin": "Europe/Berlin", "york": "America/New_York"}
"""Nine o'clock is at 20:00Z of 9 March, and at 00:00Z, 08:00Z and 13:00Z of 10 March."""
ABROAD = [user(name, time_zone=zone) for name, zone in ZONES.items()]


def test_local_time_that_has_passed(simulate: Connector) -> None:
    """W5 (case 31): a time that passed more than an hour before the publication brings no message, and is warned of."""
    story = [*ABROAD, order("publish", 2, "received"), {"at": "2026-03-09T22:00:00Z", "publish": "o"}]
    run = simulate(original(NINE), RECEIVED, *story)
    assert [name for _, name, _ in decided(run.outcomes)] == ["tokyo", "berlin", "york"]
    assert "o: delivery.send: 1 user gets no message, because their time passed more than 1 hour ago (stale)" in run.err


def test_user_described_after_the_publication(simulate: Connector) -> None:
    """W5: a user who is described before the audience is selected is treated like the others, a later one is not in."""
    passed, early = user("passed", time_zone="Pacific/Auckland"), user("early", time_zone="Asia/Tokyo")
    story = [
        order("publish", 2, "received"), {**passed, "at": "2026-03-09T21:59:00Z"},
        {"at": "2026-03-09T22:00:00Z", "publish": "o"}, {**early, "at": "2026-03-09T22:00:00Z"},
    ]  # fmt: skip
    assert decided(simulate(original(NINE), RECEIVED, *story).outcomes) == []  # selected at the publication
    ahead = [order("publish", 2, "received", "o"), {**early, "at": "2026-03-09T18:59:00Z"}]
    run = simulate(original(NINE), RECEIVED, *ahead, {**passed, "at": "2026-03-09T19:00:01Z"})
    assert [name for _, name, _ in decided(run.outcomes)] == ["early"]


def test_other_time_of_a_newer_revision(simulate: Connector) -> None:
    """W5, P10: a newer revision with another time is judged by its own publication."""
    newer = {"at": "2026-03-09T21:00:00Z", "apply": original(NINE)}
    story = [*ABROAD, order("publish", 2, "received", "o"), newer, {"at": "2026-03-09T22:00:00Z", "publish": "o"}]
    run = simulate(original({"at": "2026-03-20 09:00"}), RECEIVED, *story)
    assert [name for _, name, _ in decided(run.outcomes)] == ["tokyo", "berlin", "york"]
    assert "o: delivery.send: 1 user gets no message" in run.err


@pytest.mark.parametrize(
    ("own", "resumed", "got", "warned"),
    [
        (None, "10T23:59:00Z", ["tokyo", "berlin", "york"], "o: delivery.send: 3 users get the message at once"),
        (None, "11T00:00:00Z", ["tokyo", "berlin", "york"], "o: delivery.send: 3 users get the message at once"),
        (None, "11T00:00:01Z", ["berlin", "york"], "o: delivery.send: 1 user gets no message"),
        (None, "15T00:00:00Z", [], "o: delivery.send: 3 users get no message"),
        ("4 hours", "10T12:00:00Z", ["berlin", "york"], "because their time passed more than 4 hours ago (stale)"),
        ("4 hours", "10T12:00:01Z", ["york"], "o: delivery.send: 2 users get no message"),
        ("8 days", "15T00:00:00Z", ["tokyo", "berlin", "york"], "o: delivery.send: 3 users get the message at once"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("begun", [True, False], ids=["begun", "not begun"])
def test_resume_of_a_local_time(
    simulate: Connector, own: str | None, resumed: str, got: list[str], warned: str, begun: bool
) -> None:
    """P9, D4: on resume users whose time is more than `stale_after` past are dropped; `resume` says how many."""
    people = ABROAD[1:]  # Auckland's time comes before the stop
    stopped = {"at": f"2026-03-09T{'22' if begun else '18'}:00:00Z", "stop": "o"}
    story = [*people, order("publish", 2, "received", "o"), stopped, {"at": f"2026-03-{resumed}", "resume": "o"}]
    run = simulate(original(NINE, stale_after=own), RECEIVED, *story)
    assert run.code == 0, run.err
    assert sorted(name for _, name, _ in decided(run.outcomes)) == sorted(got)
    assert warned in run.err


def test_stale_rows_after_a_pause_take_no_place(simulate: Connector) -> None:
    """P9: with `per_minute` too; a user's wait for their turn after the resume does not make the message stale."""
    story = [*CROWD[:4], *ABROAD, order("publish", 2, "received", "o"), {"at": "2026-03-09T18:00:00Z", "stop": "o"}]
    run = simulate(original(NINE, per_minute=1), RECEIVED, *story, {"at": "2026-03-11T08:00:00Z", "resume": "o"})
    assert "o: delivery.send: 2 users get no message" in run.err
    times = [at for _, _, at in decided(run.outcomes)]
    assert times == [f"2026-03-11T08:0{minute}:00Z" for minute in range(6)]


def test_archive_while_paused(simulate: Connector) -> None:
    """P9: archiving a paused launch ends it."""
    story = [*ABROAD, order("publish", 2, "received", "o"), {"at": "2026-03-09T22:00:00Z", "stop": "o"}]
    run = simulate(original(NINE), RECEIVED, *story, {"at": "2026-03-10T10:00:00Z", "archive": "o"})
    assert [name for _, name, _ in decided(run.outcomes)] == ["auckland"]


def test_archive_ends_it(simulate: Connector) -> None:
    """P9: what had not gone out never does."""
    story = [*CROWD[:4], order("publish", 2, "received", "o"), order("archive", 2, "o", minute=1)]
    run = simulate(original(per_minute=1), RECEIVED, *story)
    assert run.code == 0, run.err
    assert len(decided(run.outcomes)) == 2
