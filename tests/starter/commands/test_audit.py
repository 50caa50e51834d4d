"""`connector audit`: the table, the pages, and what `--reason` may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.api import Connector


def test_the_table_has_who_what_and_why(connector: Connector, data: Path) -> None:
    """Newest first; a hint leads to older entries; nothing at all is a sentence."""
    assert connector("audit")[:2] == (0, "there are no entries\n")
    for name in ("shop", "app"):
        assert connector("keys", "create", "--name", name, "--scope", "read", "--reason", f"for the {name}")[0] == 0
    code, out, err = connector("audit", "--limit", "1")
    head, row = out.splitlines()
    assert (code, head.split()[:4]) == (0, ["at", "actor", "from", "action"])
    assert all(word in row for word in ("create_key", "done", "for the app"))
    assert "command_line:" in row or "key:env-1" in row  # over HTTP the key is the actor
    [before] = [word for word in err.split() if word.isdigit()]
    assert "for the shop" in connector("audit", "--before", before)[1]


def test_filters(connector: Connector, data: Path) -> None:
    """By subject and action; an unknown action and a time without a zone are wrong words."""
    created = json.loads(connector("keys", "create", "--name", "shop", "--scope", "read", "--json")[1])
    connector("keys", "revoke", created["id"])
    _, out, _ = connector("audit", "--subject", created["id"], "--json")
    assert [entry["action"] for entry in json.loads(out)["entries"]] == ["revoke_key", "create_key"]
    _, out, _ = connector("audit", "--subject", created["id"], "--action", "revoke_key", "--json")
    assert len(json.loads(out)["entries"]) == 1
    for words in (("--action", "steal"), ("--since", "2026-03-02T00:00:00"), ("--limit", "0")):
        assert connector("audit", *words)[0] == 2


@pytest.mark.store_only("it calls no operation")
def test_a_reason_has_a_bound(connector: Connector, data: Path) -> None:
    """Exit code 2, and nothing is created."""
    assert connector("keys", "create", "--name", "a", "--scope", "read", "--reason", "x" * 201)[0] == 2
    assert connector("audit")[1] == "there are no entries\n"
