"""The input and output of `connector simulate`, byte for byte (design 8)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.simulation import Connector, Play
from tests.support.stories import LOOKED, NUDGE, apply, at, begin, buy, look, order, person, push, short

KEYS = ["campaign", "user", "trigger", "key", "triggered_at", "due_at", "state", "reason", "decided_at", "channels"]
NIGHT = {"from": "22:00", "to": "06:00"}
HOUSE = [ORIGINAL, NUDGE, *begin("f", "o")]


def test_keys_and_their_order(simulate: Connector) -> None:
    """Every object has the ten keys in their order; only an excepted or noted one has `exception`, last."""
    run = simulate(
        *HOUSE,
        push("10:00", "sent"),
        buy("11:00:30", "late", "10:59"),
        push("12:00", "ended"),
        push("12:01", "second"),
        buy("12:10", "bought"),
        push("13:00", "waits"),
        words=("--json", "--until", at("13:30")),
    )
    assert [short(outcome) for outcome in run.outcomes] == [
        "11:00 f u sent sent push",
        "11:00:30 f u sent noted late_exception late push",
        "12:01 f u second refused already_waiting",
        "12:10 f u ended excepted bought",
        "end f u waits waiting",
    ]
    for outcome in run.outcomes:
        assert list(outcome) == [*KEYS, *(["exception"] if outcome["state"] in ("excepted", "noted") else [])]


def test_values_of_a_wait_of_a_refusal_and_of_an_end(simulate: Connector) -> None:
    """`due_at` is null on refusals, `decided_at` on waits, `reason` when sent, `key` when unset; channels: a list."""
    run = simulate(*HOUSE, push("10:00", "a"), push("10:30", "b"), words=("--json", "--until", at("10:45")))
    refused, waiting = run.outcomes
    common = {"campaign": "f", "user": "u", "key": None, "channels": []}
    assert refused == common | {
        "trigger": "b", "triggered_at": at("10:30"), "due_at": None, "state": "refused",
        "reason": "already_waiting", "decided_at": at("10:30"),
    }  # fmt: skip
    assert waiting == common | {
        "trigger": "a", "triggered_at": at("10:00"), "due_at": at("11:00"), "state": "waiting",
        "reason": None, "decided_at": None,
    }  # fmt: skip


def test_times_are_utc_with_fractions_only_when_not_zero(simulate: Connector) -> None:
    """Any zone is read, Z is written."""
    line = {"at": "2026-03-02T13:00:00.5+01:00", "interaction": {"id": "a", "user": "u", "type": "receive_push"}}
    line["interaction"] |= {"campaign": "o", "occurred_at": "2026-03-02T06:59:59.250-05:00"}  # type: ignore[operator]
    (sent,) = simulate(*HOUSE, line).outcomes
    assert (sent["triggered_at"], sent["due_at"]) == ("2026-03-02T11:59:59.250000Z", "2026-03-02T12:59:59.250000Z")
    (whole,) = simulate(*HOUSE, push("12:00", "a")).outcomes
    assert whole["triggered_at"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize("value", ["A", 7, 1.5, True, None, ["a", {"b": 1}]])
def test_key_is_the_propertys_value(simulate: Connector, value: Any) -> None:
    """As it was reported; null if the property is missing or the follow-on has no key."""
    keyed = follow_on("f", LOOKED, key="properties.sku")
    properties = {} if value is None else {"sku": value}
    (sent,) = simulate(keyed, *begin("f"), look("10:00", "a", **properties)).outcomes
    assert sent["key"] == value
    assert type(sent["key"]) is type(value)


def test_until_is_inclusive(play: Play) -> None:
    """What is due at it is decided, and lines at it are taken; nothing after it is."""
    story = [*HOUSE, push("10:00", "a"), push("11:00", "b", user="v"), push("11:00:01", "c", user="w")]
    assert play(*story, until=at("11:00")) == ["11:00 f u a sent push", "end f v b waiting"]
    assert play(*story, until=at("10:59:59")) == ["end f u a waiting"]
    assert play(*story, until="2026-03-02T06:00:00-05:00") == play(*story, until=at("11:00"))


def test_what_waits_is_told_last(play: Play) -> None:
    """Waiting and held ones come after all that was decided, with the original due time."""
    nightly = follow_on("n", LOOKED, delay={"after": "1 hour"}, quiet_hours=NIGHT)
    story = [nightly, *HOUSE[:2], person("08:00"), order("09:00", "publish", "f", "n", "o")]
    lines = [look("22:30", "held"), push("22:40", "waits"), push("22:50", "refused")]
    assert play(*story, lines, until=at("23:35")) == [
        "22:50 f u refused refused already_waiting",
        "end n u held held",
        "end f u waits waiting",
    ]


def test_without_until_everything_happens(play: Play) -> None:
    """The default is when nothing is left to happen, however far away."""
    monthly = follow_on("f", LOOKED, delay={"after": "30 days"})
    assert play(monthly, *begin("f"), look("10:00", "a")) == ["2026-04-01 10:00 f u a sent push"]


def test_due_work_comes_before_the_lines_of_one_instant(play: Play) -> None:
    """X2: exactly at the due instant the message wins, over a purchase as over a stop."""
    assert play(*HOUSE, push("10:00", "a"), buy("11:00", "b")) == ["11:00 f u a sent push"]
    assert play(*HOUSE, push("10:00", "a"), order("11:00", "stop", "f")) == ["11:00 f u a sent push"]


def test_lines_out_of_order(simulate: Connector) -> None:
    """They are played in the order of their times, those of one time in the order of the file, with a warning."""
    later, earlier = buy("10:30", "bought"), push("10:00", "a")
    run = simulate(*HOUSE, later, earlier)
    assert [short(outcome) for outcome in run.outcomes] == ["10:30 f u a excepted bought"]
    assert "not in order of time" in run.err
    assert simulate(*HOUSE, earlier, later).err == ""


def test_lines_of_one_instant_keep_their_order(play: Play) -> None:
    """A publication counts for the lines after it."""
    definitions = [ORIGINAL, follow_on("f", LOOKED)]
    looked = look("09:00", "a")
    assert play(*definitions, person("08:00"), order("09:00", "publish", "f"), looked) == ["09:00 f u a sent push"]
    assert play(*definitions, person("08:00"), looked, order("09:00", "publish", "f")) == []


def test_blank_lines_and_nothing_at_all(connector: Connector, tmp_path: Path) -> None:
    """Blank lines are passed over and counted; an empty timeline is a run in which nothing happens."""
    (tmp_path / "c.yaml").write_text(json.dumps(ORIGINAL))
    words = ("simulate", "--campaigns", tmp_path / "c.yaml", "--timeline", tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_text("\n")
    run = connector(*words, "--json")
    assert (run.code, run.out, run.err) == (0, "", f"warning: {tmp_path}/t.jsonl is empty: nothing happens\n")
    (tmp_path / "t.jsonl").write_text('\n\n{"at": "x"}\n')
    assert "line 3: " in connector(*words).err


def test_a_folder_of_definitions(connector: Connector, tmp_path: Path) -> None:
    """PATH is a file or a folder, which may hold the timeline too."""
    (tmp_path / "a.yaml").write_text(json.dumps(ORIGINAL))
    (tmp_path / "b.yml").write_text(json.dumps(NUDGE))
    (tmp_path / "timeline.jsonl").write_text("\n".join(json.dumps(line) for line in [*HOUSE[2:], push("10:00", "a")]))
    run = connector("simulate", "--campaigns", tmp_path, "--timeline", tmp_path / "timeline.jsonl", "--json")
    assert [short(outcome) for outcome in run.outcomes] == ["11:00 f u a sent push"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (order("10:00", "publish", "nobody"), "nobody is not known"),
        (order("10:00", "stop", "d"), "d is a draft"),
        (order("10:00", "resume", "d"), "d is a draft; only what is stopped can be resumed"),
        (order("10:00", "publish", "x"), "x is archived"),
        (apply("10:00", {**ORIGINAL, "campaign": "x"}), "x is archived and cannot be edited"),
        (apply("10:00", {"card": "o", "title": "t", "body": "b"}), "o is a campaign already"),
        (order("10:00", "publish", "lost"), "the campaign gone, which does not exist"),
        (order("10:00", "publish", "round"), "cycle"),
        (order("10:00", "publish", "hasty"), "without a delay"),
        (order("10:00", "publish", "d"), "would make the draft follow-on of-d miss its receive_push"),
    ],
)
def test_refused_step_ends_the_run(simulate: Connector, line: dict[str, Any], words: str) -> None:
    """Exit code 1; standard error has the line's number and the reason; what was decided before is still printed."""
    more = [
        {**ORIGINAL, "campaign": "d"},
        {**ORIGINAL, "campaign": "x"},
        follow_on("of-d", {"interaction": "receive_push", "campaign": "d"}),
        follow_on("lost", {"interaction": "receive_push", "campaign": "gone"}),
        follow_on("round", {"interaction": "receive_push", "campaign": "round"}, eligible_again="always"),
        follow_on("hasty", LOOKED, exceptions=[{"event": "make_purchase"}]),
    ]
    before = [order("09:01", "archive", "x"), push("09:02", "a"), buy("09:03", "b")]
    run = simulate(*more, *HOUSE, *before, line, push("11:00", "never"))
    assert run.code == 1
    assert "line 6: " in run.err
    assert words in run.err
    assert [short(outcome) for outcome in run.outcomes] == ["09:03 f u a excepted b"]


def test_all_or_none_of_a_list(simulate: Connector) -> None:
    """P5: one that may not be published leaves the others as they were; `allow_missed` overrides P3."""
    assert simulate(ORIGINAL, NUDGE, order("09:00", "publish", "o", "nobody")).code == 1
    assert simulate(ORIGINAL, NUDGE, order("09:00", "publish", "o")).code == 1
    assert simulate(ORIGINAL, NUDGE, order("09:00", "publish", "o", allow_missed=True)).code == 0
    assert simulate(ORIGINAL, NUDGE, order("09:00", "publish", "o", "f")).code == 0


def test_bad_definitions(connector: Connector, tmp_path: Path) -> None:
    """Exit code 1, with file, line and key of every fault; nothing is simulated."""
    (tmp_path / "c.yaml").write_text("campaign: one\ndleivery: {type: external}\n---\ncampaign: two\n")
    (tmp_path / "t.jsonl").write_text("")
    run = connector("simulate", "--campaigns", tmp_path / "c.yaml", "--timeline", tmp_path / "t.jsonl", "--json")
    assert (run.code, run.out) == (1, "")
    assert f"{tmp_path}/c.yaml:2: dleivery" in run.err
    assert "c.yaml:4: delivery" in run.err


@pytest.mark.parametrize(
    "words",
    [
        ["simulate"],
        ["simulate", "--campaigns", "{c}"],
        ["simulate", "--campaigns", "{c}", "--timeline", "not-there.jsonl"],
        ["simulate", "--campaigns", "not-there.yaml", "--timeline", "{t}"],
        ["simulate", "--campaigns", "{c}", "--timeline", "{t}", "--until", "tomorrow"],
        ["simulate", "--campaigns", "{c}", "--timeline", "{t}", "--until", "2026-03-02T12:00:00"],
        ["simulate", "--campaigns", "{c}", "--timeline", "{t}", "--nonsense"],
    ],
)
def test_wrong_words(connector: Connector, tmp_path: Path, words: list[str]) -> None:
    """Exit code 2, with the fault on standard error and nothing on standard output."""
    (tmp_path / "c.yaml").write_text(json.dumps(ORIGINAL))
    (tmp_path / "t.jsonl").write_text("")
    run = connector(*[word.format(c=tmp_path / "c.yaml", t=tmp_path / "t.jsonl") for word in words])
    assert (run.code, run.out) == (2, "")
    assert run.err


def test_warnings_are_no_result(simulate: Connector) -> None:
    """They go to standard error only, and change neither the objects nor the exit code."""
    machine = follow_on(
        "f",
        PUSHED,
        delay={"after": "1 hour"},
        exceptions=[{"interaction": "open_email", "campaign": "o"}],
    )
    run = simulate(ORIGINAL, machine, *begin("f", "o"), push("10:00", "a"))
    assert "f: delivery.exceptions[0]: its exception open_email of o counts opens by machines too" in run.err
    assert [short(outcome) for outcome in run.outcomes] == ["11:00 f u a sent push"]


def test_in_words(simulate: Connector) -> None:
    """Without --json: a line an outcome, and a table of how many came to what."""
    story = [*HOUSE, push("10:00", "a"), push("12:00", "b"), buy("12:10", "c")]
    run = simulate(*story, words=())
    assert run.code == 0
    assert "2026-03-02T12:10:00Z  f  u  excepted (exception)  by c" in run.out
    assert [line.split() for line in run.out.splitlines()[-2:]] == [
        ["f", "excepted", "exception", "1"],
        ["f", "sent", "1"],
    ]
    assert simulate(*HOUSE, words=()).out == "nothing was triggered\n"
