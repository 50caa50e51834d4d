"""`simulate --jobs`: several processes give the outcomes, warnings and errors of one, in the same order."""

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connector.definitions import read_definitions
from connector.simulation import sharing, timeline
from connector.simulation.timeline import Timeline
from tests.parity.drawing import THEMES, draw_story
from tests.support.builders import ORIGINAL, follow_on
from tests.support.repository import BEHAVIOUR_CASES
from tests.support.simulation import Connector
from tests.support.stories import LOOKED, NUDGE, Row, at, begin, flattened, look, order, person, push, yaml_of

Outcome = tuple[list[str], str, list[str]]
"""The warnings, the failure and the lines of a run."""

STORIES = 4
"""Of each theme."""
LAUNCHED: Row = {
    "campaign": "s",
    "delivery": {"type": "scheduled", "send": "at_publish"},
    "messages": {"push": {"title": "Hi", "body": "all"}},
}
LIMITED: Row = {**LAUNCHED, "delivery": {**LAUNCHED["delivery"], "per_minute": 2}}
AFTER_LAUNCH = follow_on("g", {"interaction": "receive_push", "campaign": "s"})
PEOPLE = [person("08:00", f"u{number}") for number in range(9)]


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork though the test runner has threads, which hold no lock that a share needs; fresh processes start slowly."""
    monkeypatch.setattr(sharing, "start_method", lambda: "fork")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Outcome]:
    """Play definitions and lines in so many processes."""

    def run(definitions: Iterable[Any], lines: Iterable[Any], jobs: int, until: datetime | None = None) -> Outcome:
        campaigns, file = tmp_path / "campaigns.yaml", tmp_path / "timeline.jsonl"
        campaigns.write_text(yaml_of(definitions))
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        with sharing.play_timeline(read_definitions(campaigns), Timeline(file), until, jobs) as played:
            return list(played.warnings), str(played.failure), list(played.lines())

    return run


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Has an entry for each run that was left to one process."""
    calls: list[bool] = []
    play_alone = sharing.play_alone
    monkeypatch.setattr(
        sharing, "play_alone", lambda *parts, **named: calls.append(True) or play_alone(*parts, **named)
    )
    return calls


@pytest.mark.parametrize("theme", THEMES)
def test_drawn_stories(run: Callable[..., Outcome], alone: list[bool], theme: str) -> None:
    """Two and three processes print what one prints for drawn stories in which many users do the same at one time."""
    for number in range(STORIES):
        story = draw_story(theme, number)
        lines = _with_twins(sorted(story.lines, key=lambda line: line["at"]))
        expected = run(story.definitions, lines, 1, story.until)
        alone.clear()
        for jobs in (2, 3):
            assert run(story.definitions, lines, jobs, story.until) == expected, f"story {number}, {jobs} jobs"
        assert alone == []


@pytest.mark.parametrize("case", BEHAVIOUR_CASES, ids=lambda folder: folder.name)
def test_worked_cases(connector: Connector, case: Path) -> None:
    """Every worked case gives the same exit code, output and errors in two processes."""
    words = ("--campaigns", case / "campaigns.yaml", "--timeline", case / "timeline.jsonl", "--json", "--jobs")
    assert connector("simulate", *words, 2) == connector("simulate", *words, 1)


def test_missed_interactions_are_counted_over_all(run: Callable[..., Outcome], alone: list[bool]) -> None:
    """The warning of a follow-on that is published after a launch counts the receipts of every user (P4)."""
    lines = [*PEOPLE, order("09:00", "publish", "s", allow_missed=True), order("10:00", "publish", "g")]
    expected = run([LAUNCHED, AFTER_LAUNCH], lines, 1)
    alone.clear()
    assert run([LAUNCHED, AFTER_LAUNCH], lines, 3) == expected
    assert alone == []
    assert "9 receive_push have been missed" in expected[0][-1]


def test_unknown_targets_are_named_once(run: Callable[..., Outcome]) -> None:
    """An unknown campaign gives one warning, in its place among the others, whoever names it first."""
    lines = [
        *PEOPLE,
        *(_report(f"09:0{n}", f"u{n}", "nobody" if n % 2 else "none") for n in range(9)),
        order("10:00", "publish", "s", allow_missed=True),
        order("11:00", "publish", "g"),
        *(_report(f"12:0{n}", f"u{n}", "somebody") for n in range(9)),
    ]
    expected = run([LAUNCHED, AFTER_LAUNCH], lines, 1)
    assert len(expected[0]) == 5
    assert run([LAUNCHED, AFTER_LAUNCH], lines, 3) == expected


def test_refused_order_ends_every_share(run: Callable[..., Outcome], alone: list[bool]) -> None:
    """What was decided before a refused order is printed, and nothing after it."""
    lines = [
        *PEOPLE,
        *begin("f", "o"),
        *(push(f"10:0{n}", f"a{n}", user=f"u{n}") for n in range(9)),
        order("11:05", "stop", "nobody"),
        *(push(f"12:0{n}", f"b{n}", user=f"u{n}") for n in range(9)),
    ]
    expected = run([ORIGINAL, NUDGE], flattened(lines)[1], 1)
    alone.clear()
    assert run([ORIGINAL, NUDGE], flattened(lines)[1], 3) == expected
    assert alone == []
    assert "stop nobody is refused" in expected[1]
    assert len(expected[2]) == 6


@pytest.mark.parametrize(
    ("definitions", "lines"),
    [
        (
            [{**LAUNCHED, "delivery": {**LAUNCHED["delivery"], "per_minute": 2}}],
            [*PEOPLE, order("09:00", "publish", "s")],
        ),
        ([LAUNCHED], [*PEOPLE, {"at": at("08:30"), "apply": LIMITED}, order("09:00", "publish", "s")]),
        ([NUDGE, ORIGINAL], [*begin("f", "o"), *(push(f"1{9 - n}:00", f"a{n}", user=f"u{n}") for n in range(9))]),
        ([NUDGE], [*PEOPLE, {"at": at("09:00"), "user": {"id": "u4", "attributes": {"x": "y" * 300_000}}}]),
    ],
    ids=["per minute", "per minute by an edit", "not in order", "a user too large"],
)
def test_left_to_one_process(
    run: Callable[..., Outcome], alone: list[bool], definitions: list[Row], lines: list[Row]
) -> None:
    """If users compete or a share fails, one process plays the timeline."""
    expected = run(definitions, lines, 1)
    alone.clear()
    assert run(definitions, lines, 3) == expected
    assert alone == [True]


def test_users_may_have_the_same_ids(run: Callable[..., Outcome], alone: list[bool]) -> None:
    """M6, case 32: ids are unique per user, so the shares need not know each other's."""
    lines = [*PEOPLE, *begin("f", "o"), *(push("10:00", "same", user=f"u{n}") for n in range(9))]
    expected = run([NUDGE, ORIGINAL], lines, 1)
    alone.clear()
    assert run([NUDGE, ORIGINAL], lines, 3) == expected
    assert alone == []
    assert len(expected[2]) == 9


def test_lines_that_cannot_be_read(simulate: Connector) -> None:
    """Faults in the lines of several shares are reported as by one process, and nothing is printed."""
    bad = [{**look("10:00", f"a{n}", user=f"u{n}"), "what": n} for n in range(9)]
    story = [ORIGINAL, NUDGE, *begin("f", "o"), push("10:00", "a"), *bad]
    expected = simulate(*story, words=("--json", "--jobs", "1"))
    assert (expected.code, expected.out, len(expected.err.splitlines())) == (1, "", 9)
    assert simulate(*story, words=("--json", "--jobs", "3")) == expected


def test_fresh_processes(run: Callable[..., Outcome], alone: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares can be played by processes that were not forked, as they are on other systems than Linux."""
    lines = [*PEOPLE, order("09:00", "publish", "f"), *(look("10:00", f"a{n}", user=f"u{n}") for n in range(9))]
    definitions = [follow_on("f", LOOKED)]
    expected = run(definitions, lines, 1)
    alone.clear()
    monkeypatch.setattr(sharing, "start_method", lambda: "spawn")
    assert run(definitions, lines, 2) == expected
    assert alone == []


def test_each_line_is_parsed_once(run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """One process parses every line once."""
    parsed: list[int] = []
    parse = timeline.parse_step
    monkeypatch.setattr(timeline, "parse_step", lambda data, number: parsed.append(number) or parse(data, number))
    run([NUDGE, ORIGINAL], PEOPLE, 1)
    assert parsed == list(range(1, len(PEOPLE) + 1))


def test_shares_parse_their_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each user's lines are parsed for one share, and orders for all."""
    file = tmp_path / "timeline.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in [*PEOPLE, order("09:00", "publish", "f")]))
    shares = [[step.number for step in Timeline(file).steps(timeline.Share(index, 3))] for index in range(3)]
    assert sorted(number for share in shares for number in share) == [*range(1, 10), 10, 10, 10]


def test_small_timelines_are_not_shared_out(tmp_path: Path, alone: list[bool]) -> None:
    """Without `--jobs`, a small timeline is played by one process."""
    (tmp_path / "c.yaml").write_text(yaml_of([NUDGE]))
    (tmp_path / "t.jsonl").write_text("")
    sharing.play_timeline(read_definitions(tmp_path / "c.yaml"), Timeline(tmp_path / "t.jsonl"), None, None).close()
    assert alone == [True]


def test_jobs_must_be_positive(simulate: Connector) -> None:
    """`--jobs 0` is a wrong argument: exit code 2."""
    assert simulate(NUDGE, words=("--jobs", "0")).code == 2


def _report(clock: str, user: str, campaign: str) -> Row:
    return {"at": at(clock), "interaction": {"user": user, "type": "open_push", "campaign": campaign}}


def _with_twins(lines: Iterable[Any], copies: int = 5) -> list[Row]:
    """Let several users do what one did, at the same instants."""
    return [twin for line in lines for number in range(copies) if (twin := _twin(line, number)) is not None]


def _twin(line: Any, number: int) -> Row | None:
    """Return the line of a user's twin; of the lines without a user, only the first."""
    twin: Row = deepcopy(dict(line))
    if "user" in twin:
        twin["user"]["id"] += f"-{number}"
    elif "interaction" in twin:
        twin["interaction"]["user"] += f"-{number}"
        twin["interaction"]["id"] += f"-{number}"
    elif number:
        return None
    return twin
