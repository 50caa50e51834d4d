"""The command line: what it prints where, and with which exit code it ends."""

import asyncio
import io
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import select, update

from connector.app.preflight import listen
from connector.app.version import program_version
from connector.store.engine.database import Database
from connector.store.engine.revision import NEWEST_REVISION
from connector.store.tables import compatibility, interactions
from starter.cli import COMMANDS, run_command
from tests.support.api import KEY_VARIABLE, Connector
from tests.support.builders import buy

FOLDER = {
    "workspace.yaml": "workspace: default\nzone: Europe/Berlin\n",
    "carts.yaml": """\
        campaign: o
        delivery: {type: external}
        ---
        campaign: f
        delivery:
          type: action_based
          trigger: [{interaction: receive_push, campaign: o}]
          delay: {after: 12 hours}
          exceptions: [{interaction: open_email, campaign: o}]
        messages:
          push: {title: Still there?, body: Hi}
        """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of definitions."""
    for name, text in FOLDER.items():
        (tmp_path / "campaigns").mkdir(exist_ok=True)
        (tmp_path / "campaigns" / name).write_text(dedent(text))
    return tmp_path / "campaigns"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["apply"],
        ["apply", "not-there.yaml"],
        ["publish"],
        ["interact"],
        ["interact", "--user", "u"],
        ["interact", "--user", "u", "--type", "event", "--property", "sku"],
        ["interact", "--user", "u", "--type", "event", "--property", "price:=ninety"],
        ["interact", "--file", "not-there.jsonl"],
        ["api", "--port", "70000"],
        ["dev", "--api-port", "x"],
    ],
)
@pytest.mark.store_only("it calls no operation")
def test_wrong_words(connector: Connector, words: list[str]) -> None:
    """Exit code 2, with the fault on standard error and nothing on standard output."""
    code, out, err = connector(*words)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("command", [command for summaries in COMMANDS.values() for command in summaries])
@pytest.mark.store_only("it calls no operation")
def test_help_teaches(connector: Connector, command: str) -> None:
    """Every command shows an example of itself."""
    code, out, _ = connector(command, "--help")
    assert code == 0
    assert f"connector {command}" in out.partition("Example")[2]


@pytest.mark.store_only("it calls no operation")
def test_help_lists_every_command(connector: Connector) -> None:
    """Design 8: every command of the contract that this version has."""
    code, out, _ = connector("--help")
    assert code == 0
    promised = "dev demo worker api setup apply plan publish stop resume archive status interact"
    assert [word for word in promised.split() if f"\u2502 {word} " not in out] == []


@pytest.mark.store_only("about the data folder")
def test_without_data_nothing_is_made(connector: Connector, tmp_path: Path) -> None:
    """Looking for data in the wrong place says so, and leaves no empty folder behind."""
    code, out, err = connector("status", "--data", str(tmp_path / "typo"))
    assert (code, out) == (1, "")
    assert "connector dev" in err
    assert not (tmp_path / "typo").exists()


@pytest.mark.store_only("about the data folder")
def test_a_database_without_tables(connector: Connector, tmp_path: Path) -> None:
    """The way out is named."""
    code, _, err = connector("status", "--data", str(tmp_path))
    assert code == 1
    assert "connector setup" in err


def test_apply_says_what_is_new(connector: Connector, data: Path, folder: Path) -> None:
    """P10: new, edited and unchanged drafts; warnings (P8) go to standard error."""
    code, out, err = connector("apply", str(folder))
    assert code == 0
    assert "3 new, 0 edited, 0 unchanged" in out
    assert "carts.yaml:9: f: delivery.exceptions" in err
    (folder / "workspace.yaml").write_text("workspace: default\n")
    code, out, _ = connector("apply", str(folder), "--json")
    saved = {one["id"]: one["change"] for one in json.loads(out)["saved"]}
    assert saved == {"default": "edited", "o": "unchanged", "f": "unchanged"}


def test_apply_tells_every_fault_and_saves_nothing(connector: Connector, data: Path, folder: Path) -> None:
    """Every file's faults at once, each with file, line and key."""
    (folder / "one.yaml").write_text("campaign: one\ndleivery: {type: external}\n")
    (folder / "two.yaml").write_text("campaign: two\ndelivery: {type: external}\ncontrol_group: 101\n")
    code, out, err = connector("apply", str(folder))
    assert (code, out) == (1, "")
    assert f"{folder}/one.yaml:2: dleivery" in err
    assert f"{folder}/two.yaml:3: control_group" in err
    assert json.loads(connector("status", "--json")[1])["campaigns"] == []


def test_apply_keeps_to_its_workspace(connector: Connector, data: Path, folder: Path) -> None:
    """A folder of another company is not mixed in."""
    (folder / "workspace.yaml").write_text("workspace: other\n")
    code, _, err = connector("apply", str(folder))
    assert code == 1
    assert "CONNECTOR_WORKSPACE" in err


def test_interact_takes_one_item(connector: Connector, data: Path) -> None:
    """Stored with Temporal away; repeating it by its id changes nothing; it happened now unless said otherwise."""
    words = ("interact", "--user", "u", "--type", "start_session", "--id", "e1")
    code, out, err = connector(*words)
    assert (code, out, err) == (0, "accepted e1\n", "")
    assert connector(*words)[1] == "duplicate e1\n"


def test_interact_refuses_what_is_too_old(connector: Connector, data: Path) -> None:
    """What the log no longer covers is invalid, with exit code 1; the result says why."""
    words = ("interact", "--user", "u", "--type", "start_session", "--at", "2020-01-01T00:00:00Z", "--json")
    code, out, _ = connector(*words)
    assert (code, json.loads(out)["status"]) == (1, "invalid")
    assert "stale" in json.loads(out)["fault"]


async def test_properties_keep_the_types_they_were_given(data: Path, sqlite_database: Database) -> None:
    """KEY=TEXT is text, however much it looks like a number; KEY:=JSON is what it says."""
    given = ("--property", "product=7", "--property", "price:=7", "--property", "note=a=b")
    words = ("interact", "--user", "u", "--type", "make_purchase", *given)
    assert await asyncio.to_thread(run_command, words) == 0
    async with sqlite_database.read("default") as tx:
        (properties,) = (await tx.execute(select(interactions.c.properties))).scalars()
    assert properties == {"product": "7", "price": 7, "note": "a=b"}


@pytest.mark.parametrize("through", ["file", "stdin"])
def test_interact_takes_a_file(connector: Connector, data: Path, through: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults name their line and stop no other; exit code 1 tells that there were some."""
    lines = [
        json.dumps(buy("a", 1)),
        "",
        "{broken",
        json.dumps({**buy("b", 1), "type": "unknown"}),
        json.dumps(buy("a", 1)),
    ]
    text = "\n".join(lines)
    (data / "lines.jsonl").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code, out, err = connector("interact", "--file", str(data / "lines.jsonl") if through == "file" else "-")
    assert (code, out) == (1, "1 accepted, 1 duplicate, 2 invalid\n")
    assert "line 3: invalid: the line is not JSON" in err
    assert "line 4: invalid: type: 'unknown'" in err


def test_interact_takes_a_mark_and_names_other_encodings(connector: Connector, data: Path) -> None:
    """A byte order mark is skipped; a byte that is not UTF-8 is a fault of its line, not a crash."""
    good, bad = json.dumps(buy("a", 1)).encode(), json.dumps(buy("b", 1), ensure_ascii=False).encode() + b"\xff"
    (data / "lines.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b"\r\n" + bad + b"\n")
    code, out, err = connector("interact", "--file", str(data / "lines.jsonl"))
    assert (code, out) == (1, "1 accepted, 0 duplicate, 1 invalid\n")
    assert "line 2: invalid: the line is not JSON, at column" in err


def test_interact_in_json_gives_a_line_an_item(connector: Connector, data: Path) -> None:
    """More than one batch, in order, with the lines of the file."""
    (data / "lines.jsonl").write_text("\n".join(json.dumps(buy(f"e{n}", 1, f"u{n % 9}")) for n in range(1, 1002)))
    code, out, _ = connector("interact", "--file", str(data / "lines.jsonl"), "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(result["line"], result["id"]) for result in results] == [(n, f"e{n}") for n in range(1, 1002)]
    assert {result["status"] for result in results} == {"accepted"}


def test_status_shows_drafts(connector: Connector, data: Path, folder: Path) -> None:
    """All of them in a table, one with its windows, an unknown one as an error."""
    connector("apply", str(folder))
    code, out, _ = connector("status")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["f", "campaign", "draft"],
        ["o", "campaign", "draft"],
    ]
    shown = json.loads(connector("status", "f", "--json")[1])
    assert (shown["state"], shown["windows"], shown["follow_ups"]) == ("draft", [], [])
    assert connector("status", "nobody")[0] == 1
    assert json.loads(connector("status", "--attention", "--json")[1])["states"]["draft"] == 2
    assert "would_miss_launch: " in connector("status", "--attention")[1]
    assert connector("status", "f", "--attention")[0] == 2


def test_review_of_one(connector: Connector, data: Path, folder: Path) -> None:
    """The draft key by key, the publication alone and with its follow-ons; an unknown id is told alike everywhere."""
    connector("apply", str(folder))
    code, out, _ = connector("campaigns", "o", "--review")
    assert (code, out.splitlines()[0]) == (0, "campaign o: draft; live: nothing; newest: 1")
    assert "publish alone would be refused:" in out
    assert "publish with its draft follow-ons: f, o" in out
    assert json.loads(connector("campaigns", "o", "--review", "--json")[1])["publish"]["together"]["order"] == [
        "f",
        "o",
    ]
    assert connector("campaigns", "--review")[0] == 2
    asked = (("status",), ("campaigns",), ("campaigns", "--review"), ("backtest", "--since", "1 day"))
    said = {connector(command, "nobody", *options)[::2] for command, *options in asked}
    assert said == {(1, "the campaign or card nobody is not known; apply its definition first\n")}


def test_orders_with_temporal_away(connector: Connector, data: Path, folder: Path) -> None:
    """Exit code 1, with the address that was tried and the way out."""
    connector("apply", str(folder))
    code, out, err = connector("publish", "o")
    assert (code, out) == (1, "")
    assert "127.0.0.1:1" in err
    assert "connector dev" in err


@pytest.mark.store_only("about the data folder")
def test_setup_migrates_before_it_misses_temporal(connector: Connector, tmp_path: Path) -> None:
    """The database is up to date afterwards, and it can be run again."""
    for _ in range(2):
        code, _, err = connector("setup", "--data", str(tmp_path / "new"))
        assert code == 1
        assert f"database: the tables are up to date, at revision {NEWEST_REVISION} (sqlite)" in err
        assert "Temporal cannot be reached" in err
    assert connector("status", "--data", str(tmp_path / "new"))[0] == 0


async def test_setup_names_newer_tables_that_it_can_use(
    connector: Connector, data: Path, sqlite_database: Database
) -> None:
    """After a roll back, setup says that a later version made the tables, and leaves them as they are."""
    async with sqlite_database.write("default") as tx:
        await tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
        await tx.execute(update(compatibility).values(oldest_program=NEWEST_REVISION))
    code, _, err = await asyncio.to_thread(connector, "setup")
    assert code == 1  # no Temporal here
    assert f"database: the tables are of revision 9000, newer than this program, which knows {NEWEST_REVISION}" in err


@pytest.mark.store_only("it calls no operation")
def test_the_api_does_not_listen_without_keys(connector: Connector, data: Path) -> None:
    """It says how keys are set."""
    code, _, err = connector("api", "--port", "0")
    assert code == 1
    assert "CONNECTOR_API_KEYS" in err


@pytest.mark.store_only("it calls no operation")
def test_a_port_that_is_taken(connector: Connector, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option that chooses another is named, for the API and for every part of `dev`."""
    monkeypatch.setenv("CONNECTOR_API_KEYS", KEY_VARIABLE)
    with listen("127.0.0.1", 0, option="") as taken:
        port = str(taken.getsockname()[1])
        for words, option in (
            (("api", "--port", port), "--port"),
            (("dev", "--api-port", port, "--temporal-port", "0", "--ui-port", "0", "--no-console"), "--api-port"),
            (("dev", "--api-port", "0", "--temporal-port", port, "--ui-port", "0", "--no-console"), "--temporal-port"),
            (("dev", "--api-port", "0", "--temporal-port", "0", "--ui-port", port, "--no-console"), "--ui-port"),
        ):
            code, _, err = connector(*words)
            assert code == 1
            assert f"choose another port with {option}" in err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEYS", "secret"),
        ("API_KEYS", '["secret"]'),
        ("WEBHOOK_SECRETS", '["secret"]'),
        ("API_PORT", "nonsense"),
        ("LOG_FORMAT", "nonsense"),
        ("SMTP_PORT", "nonsense"),
        ("CHANNEL_RATES", '{"nonsense": 1}'),
        ("SEND_TIMEOUT", "PT40S"),
        ("SMTP_TIMEOUT_SECONDS", "40"),
        ("DATABASE_URL", "mysql://me:secret@db/name"),
        ("DATABASE_URL", "secret"),
    ],
)
@pytest.mark.store_only("about settings of the store")
def test_wrong_settings(
    connector: Connector, data: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, with its value unless that may be a secret."""
    monkeypatch.setenv(f"CONNECTOR_{name}", value)
    code, _, err = connector("status")
    assert code == 1
    assert name.lower() in err.lower()
    assert not name.startswith("SMTP_") or f"CONNECTOR_{name}: " in err
    assert "secret" not in err
    assert ("nonsense" in err) == ("nonsense" in value)


@pytest.mark.store_only("it calls no operation")
def test_the_version(connector: Connector) -> None:
    """`--version` prints that of the installed package, which the API's description has too."""
    assert connector("--version") == (0, f"connector {program_version()}\n", "")
