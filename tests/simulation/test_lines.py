"""Lines of a timeline that cannot be read: named by their numbers, all of them, with what would be right."""

import json
from pathlib import Path

import pytest

from tests.support.builders import ORIGINAL
from tests.support.simulation import Connector
from tests.support.stories import at

AT = f'"at": "{at("10:00")}"'
ITEM = '{"user": "u", "type": "start_session"}'


@pytest.fixture
def read(connector: Connector, tmp_path: Path):
    """Simulate these lines as they are."""

    def run(*lines: str):
        (tmp_path / "c.yaml").write_text(json.dumps(ORIGINAL))
        (tmp_path / "t.jsonl").write_text("\n".join(lines))
        return connector("simulate", "--campaigns", tmp_path / "c.yaml", "--timeline", tmp_path / "t.jsonl", "--json")

    return run


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", "is not JSON"),
        ('{"at": NaN}', "is not JSON"),
        ("[]", "is not an object"),
        ("7", "is not an object"),
        (f'{{"interaction": {ITEM}}}', "needs at"),
        (f'{{"at": "2026-03-02T10:00:00", "interaction": {ITEM}}}', "needs a time zone"),
        (f'{{"at": "10:00", "interaction": {ITEM}}}', "is not a time"),
        (f'{{"at": 7, "interaction": {ITEM}}}', "is not a time"),
        (f"{{{AT}}}", "needs exactly one of user, publish, stop, resume, archive, apply, interaction"),
        (f'{{{AT}, "stop": "o", "resume": "o"}}', "it has stop, resume"),
        (f'{{{AT}, "stop": "o", "why": "so"}}', "unknown key 'why'"),
        (f'{{{AT}, "stop": "o", "allow_missed": true}}', "unknown key 'allow_missed'"),
        (f'{{{AT}, "publish": "o", "allow_missed": "yes"}}', "allow_missed: must be true or false"),
        (f'{{{AT}, "publish": []}}', "needs the id of a campaign or card"),
        (f'{{{AT}, "publish": [7]}}', "needs the id of a campaign or card"),
        (f'{{{AT}, "publish": {{"id": "o"}}}}', "needs the id of a campaign or card"),
        (
            f'{{{AT}, "interaction": {{"user": "u", "type": "opened_email", "campaign": "o"}}}}',
            "'opened_email' is unknown",
        ),
        (f'{{{AT}, "interaction": {{"user": "u", "type": "open_email"}}}}', "exactly one of campaign and card"),
        (f'{{{AT}, "interaction": {{"user": "u", "type": "event"}}}}', "an event needs a name"),
        (f'{{{AT}, "interaction": {{"type": "start_session"}}}}', "user"),
        (f'{{{AT}, "interaction": {{"user": "u", "type": "start_session", "sku": "A"}}}}', "sku"),
        (
            f'{{{AT}, "interaction": {{"user": "u", "type": "start_session", "occurred_at": "2026-03-02T10:00:00"}}}}',
            "zone",
        ),
        (f'{{{AT}, "interaction": []}}', "must be an object"),
        (f'{{{AT}, "user": {{"id": "u", "time_zone": "New York"}}}}', "'New York' is not an IANA time zone"),
        (f'{{{AT}, "user": {{"id": "u", "phone_number": "1"}}}}', "phone_number"),
        (f'{{{AT}, "user": {{"id": "u", "consent": {{"push": "no"}}}}}}', "consent"),
        (f'{{{AT}, "user": {{"email": "a@shop.example"}}}}', "id"),
        (f'{{{AT}, "user": "u"}}', "user"),
        (f'{{{AT}, "apply": {{"campaign": "o", "delivery": {{"type": "internal"}}}}}}', "delivery"),
        (f'{{{AT}, "apply": {{"name": "o"}}}}', "campaign, card or workspace"),
    ],
)
def test_bad_line(read, line: str, words: str) -> None:
    """Exit code 1; the line's number and the fault are on standard error, and nothing was simulated."""
    run = read(f'{{{AT}, "publish": "o"}}', line)
    assert (run.code, run.out) == (1, "")
    assert "t.jsonl: line 2: " in run.err
    assert words in run.err


def test_every_bad_line_is_named(read) -> None:
    """All at once; of very many the first twenty, and how many more there are."""
    run = read("{", f'{{{AT}, "publish": "o"}}', "{}", "", "[]")
    assert [f"line {number}: " in run.err for number in range(1, 6)] == [True, False, True, False, True]
    run = read(*["{}"] * 25)
    assert "line 20: " in run.err
    assert "line 21: " not in run.err
    assert "and 5 more" in run.err


def test_bytes_that_are_no_text(connector: Connector, tmp_path: Path) -> None:
    """A file in another encoding is a bad line, not a crash."""
    (tmp_path / "c.yaml").write_text(json.dumps(ORIGINAL))
    (tmp_path / "t.jsonl").write_bytes(f'{{{AT}, "user": {{"id": "Zo\xeb"}}}}'.encode("latin-1"))
    run = connector("simulate", "--campaigns", tmp_path / "c.yaml", "--timeline", tmp_path / "t.jsonl")
    assert (run.code, run.out) == (1, "")
    assert "line 1: is not JSON" in run.err


def test_interaction_of_an_unknown_campaign(read) -> None:
    """A warning on standard error, once; it counts for nothing. A campaign's id as a card's is unknown, too (M5)."""
    unknown = f'{{{AT}, "interaction": {{"user": "u", "type": "open_push", "campaign": "nobody"}}}}'
    card = f'{{{AT}, "interaction": {{"user": "u", "type": "click_news_feed_card", "card": "o"}}}}'
    run = read(unknown, unknown, card)
    assert (run.code, run.out) == (0, "")
    assert run.err.splitlines() == [
        "warning: there is no campaign 'nobody': its interactions are ignored",
        "warning: there is no card 'o': its interactions are ignored",
    ]


def test_the_fault_of_an_empty_file(connector: Connector, tmp_path: Path) -> None:
    """A timeline without lines is a run in which nothing happens; a file without definitions is a fault."""
    (tmp_path / "c.yaml").write_text("")
    (tmp_path / "t.jsonl").write_text("")
    words = ("simulate", "--campaigns", tmp_path / "c.yaml", "--timeline", tmp_path / "t.jsonl", "--json")
    run = connector(*words)
    assert (run.code, run.out) == (1, "")
    assert "c.yaml: is empty; write a campaign, a card or the workspace" in run.err
    (tmp_path / "c.yaml").write_text("campaign: o\ndelivery: {type: external}\n")
    run = connector(*words)
    assert (run.code, run.out, run.err) == (0, "", f"warning: {tmp_path}/t.jsonl is empty: nothing happens\n")
