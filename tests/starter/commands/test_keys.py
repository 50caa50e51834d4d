"""`connector keys`: what it prints where, and with which exit code it ends."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.rules.model.api_keys import parse_key
from connector.store.engine.database import Database
from connector.store.users.api_keys import load_live_keys
from tests.support.api import Connector

CREATE = ("keys", "create", "--name", "shop", "--scope", "ingest")


def created(connector: Connector, *words: str) -> dict[str, Any]:
    code, out, err = connector(*CREATE, *words, "--json")
    assert code == 0, err
    made: dict[str, Any] = json.loads(out)
    return made


def listed(connector: Connector) -> dict[str, dict[str, Any]]:
    code, out, _ = connector("keys", "list", "--json")
    assert code == 0
    return {key["id"]: key for key in json.loads(out)["keys"]}


def test_the_key_stands_alone_on_standard_output(connector: Connector, data: Path) -> None:
    """So that KEY=$(…) works; what it is and that it is shown once goes to standard error, without the key."""
    code, out, err = connector(*CREATE, "--scope", "read", "--rate", "50", "--expires", "90 days")
    assert code == 0
    key = parse_key(out.removesuffix("\n"))
    assert key is not None
    for told in (key.id, "shop", "ingest, read", "50 requests per second", "90 days", "shown this once"):
        assert told in err
    assert out.strip()[-43:] not in err


async def test_only_the_hash_is_stored(connector: Connector, data: Path, sqlite_database: Database) -> None:
    """What the API reads fits the key that was printed; the lists never show it."""
    _, out, _ = await asyncio.to_thread(connector, *CREATE)
    key = parse_key(out.strip())
    assert key is not None
    async with sqlite_database.read("default") as tx:
        assert (await load_live_keys(tx)).by_id[key.id].digest == key.digest
    for words in (("keys", "list"), ("keys", "list", "--json")):
        _, shown, told = await asyncio.to_thread(connector, *words)
        assert key.id in shown
        assert out.strip()[-43:] not in shown + told
        assert key.digest not in shown + told


def test_json_has_the_whole_key_once(connector: Connector, data: Path) -> None:
    """`create --json` says all of it, `list --json` all but the key."""
    made = created(connector, "--scope", "manage", "--scope", "ingest", "--rate", "0.5")
    key = made.pop("key")
    assert parse_key(key) is not None
    assert (made["name"], made["scopes"], made["rate"]) == ("shop", ["ingest", "manage"], 0.5)
    assert (made["state"], made["expires_at"], made["revoked_at"]) == ("active", None, None)
    assert listed(connector) == {made["id"]: made}


def test_the_list_shows_how_keys_stand(connector: Connector, data: Path) -> None:
    """active, expires, expired and revoked, in a table; before there are any, how to make one."""
    assert "connector keys create" in connector("keys", "list")[1]
    ids = [created(connector, *words)["id"] for words in ((), ("--expires", "1 hour"), (), ("--rate", "7"))]
    connector("keys", "rotate", ids[2], "--overlap", "0 seconds")
    connector("keys", "revoke", ids[3])
    lines = [re.split(r" {2,}", line) for line in connector("keys", "list")[1].splitlines()]
    assert lines[0] == ["id", "name", "scopes", "rate", "state", "until", "created"]
    shown = {line[0]: line for line in lines[1:]}
    assert [shown[id][4] for id in ids] == ["active", "expires", "expired", "revoked"]
    assert [shown[id][3] for id in (ids[0], ids[3])] == ["default", "7"]
    assert shown[ids[0]][5] == "-"
    assert [key["state"] for key in listed(connector).values()] == ["active", "expires", "expired", "revoked", "active"]


@pytest.mark.parametrize("by", ["id", "key"])
def test_revoke(connector: Connector, data: Path, by: str) -> None:
    """By the id, or the whole key where that is at hand; again it changes nothing; nothing secret is printed."""
    made = created(connector)
    code, out, err = connector("keys", "revoke", made[by])
    assert (code, err) == (0, "")
    assert f"{made['id']} (shop): revoked since " in out
    assert made["key"] not in out
    assert connector("keys", "revoke", made[by])[:2] == (0, out)
    told = json.loads(connector("keys", "revoke", made[by], "--json")[1])
    assert told["revoked_at"] == listed(connector)[made["id"]]["revoked_at"]


def test_rotate(connector: Connector, data: Path) -> None:
    """The new key alone on standard output; the old one expires in an hour unless told otherwise."""
    made = created(connector, "--rate", "9", "--expires", "90 days")
    code, out, err = connector("keys", "rotate", made["id"])
    new = parse_key(out.strip())
    assert (code, new is not None) == (0, True)
    assert new is not None
    assert f"replaces {made['id']}, which is valid until " in err
    keys = listed(connector)
    old, fresh = keys[made["id"]], keys[new.id]
    assert [fresh[name] for name in ("name", "scopes", "rate")] == ["shop", ["ingest"], 9]
    assert (old["state"], old["expires_at"] < made["expires_at"] < fresh["expires_at"]) == ("expires", True)
    again = json.loads(connector("keys", "rotate", new.id, "--overlap", "2 days", "--json")[1])
    assert again["replaces"] == {"id": new.id, "expires_at": listed(connector)[new.id]["expires_at"]}


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
def test_an_unknown_id(connector: Connector, data: Path, verb: str) -> None:
    """Exit code 1, with words; of what may have been a key no more than its beginning is shown."""
    typo = "ck_0123456789ab_" + "S" * 44
    for id in ("0123456789ab", typo):
        code, out, err = connector("keys", verb, id)
        assert (code, out) == (1, "")
        assert "connector keys list" in err
        assert "SS" not in err


def test_rotating_a_revoked_key(connector: Connector, data: Path) -> None:
    """Exit code 1, with the way out."""
    made = created(connector)
    connector("keys", "revoke", made["id"])
    code, out, err = connector("keys", "rotate", made["id"])
    assert (code, out) == (1, "")
    assert "revoked; create a new one with `connector keys create`" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "--scope", "ingest"), "--name"),
        (("create", "--name", "shop"), "--scope"),
        (("create", "--name", "shop", "--scope", "write"), "ingest"),
        (("create", "--name", "shop", "--scope", ""), "ingest"),
        (("create", "--name", "", "--scope", "read"), "--name"),
        (("create", "--name", "  ", "--scope", "read"), "--name"),
        (("create", "--name", "a\x1b[31m", "--scope", "read"), "--name"),
        (("create", "--name", "a\nb", "--scope", "read"), "--name"),
        (("create", "--name", "n" * 256, "--scope", "read"), "--name"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "0"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "-1"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "nan"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "inf"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "1e9"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--rate", "many"), "--rate"),
        (("create", "--name", "shop", "--scope", "read", "--expires", "soon"), "duration"),
        (("create", "--name", "shop", "--scope", "read", "--expires", "90"), "duration"),
        (("create", "--name", "shop", "--scope", "read", "--expires", "-1 days"), "duration"),
        (("create", "--name", "shop", "--scope", "read", "--expires", "0 seconds"), "--expires"),
        (("create", "--name", "shop", "--scope", "read", "--expires", "999999999 weeks"), "hundred years"),
        (("rotate", "0123456789ab", "--overlap", "an hour"), "duration"),
        (("rotate",), "ID"),
        (("revoke",), "ID"),
        (("burn",), "burn"),
    ],
)
@pytest.mark.store_only("it calls no operation")
def test_wrong_words(connector: Connector, data: Path, words: tuple[str, ...], told: str) -> None:
    """Exit code 2, with what would be right on standard error, and nothing made."""
    code, out, err = connector("keys", *words)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())
    assert listed(connector) == {}


@pytest.mark.parametrize("command", [(), ("create",), ("list",), ("revoke",), ("rotate",)])
@pytest.mark.store_only("it calls no operation")
def test_help_teaches(connector: Connector, command: tuple[str, ...]) -> None:
    """Each shows an example of itself, and how results come as JSON."""
    code, out, _ = connector("keys", *command, "-h")
    assert code == 0
    assert " ".join(("connector keys", *command)) in out.partition("Example")[2]
    assert not command or "--json" in out


@pytest.mark.store_only("about the data folder")
def test_before_the_set_up(connector: Connector, tmp_path: Path) -> None:
    """The way out is named, and looking makes no folder."""
    code, out, err = connector("keys", "list", "--data", str(tmp_path / "typo"))
    assert (code, out) == (1, "")
    assert "connector setup" in err
    assert not (tmp_path / "typo").exists()
