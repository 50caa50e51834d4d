"""`connector validate`, `schema` and `init`: with no database, no server and in any folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector.definitions.yaml_text import read_documents
from tests.support.api import Connector
from tests.support.simulation import Run

pytestmark = pytest.mark.store_only("these commands need files only")

FOLLOW_ON = """\
campaign: nudge
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: welcome}]
  exceptions: [{event: make_purchase}]
messages: {push: {title: Still there?, body: Hi}}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data folder, and a database that nothing may connect to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONNECTOR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")


def test_valid_files(connector: Connector) -> None:
    """What was read is counted, and nothing is made."""
    Path("one.yaml").write_text("campaign: welcome\ndelivery: {type: external}\n---\ncard: c\ntitle: t\nbody: b\n")
    assert connector("validate", "one.yaml") == (0, "1 campaign, 1 card: 0 faults, 0 warnings\n", "")
    assert sorted(path.name for path in Path().iterdir()) == ["one.yaml"]


def test_what_publish_would_refuse_and_warn_of(connector: Connector) -> None:
    """P3, P7, P8: with file, line and key, over several paths."""
    Path("one.yaml").write_text("campaign: welcome\ndelivery: {type: external}\n")
    Path("two.yaml").write_text(FOLLOW_ON)
    code, out, err = connector("validate", "one.yaml", "two.yaml")
    assert (code, out) == (1, "2 campaigns: 1 fault, 0 warnings\n")
    assert err.startswith("two.yaml:5: nudge: delivery.exceptions: its exceptions can never happen: without a delay")
    code, _, err = connector("validate", "two.yaml")
    assert code == 1
    assert "two.yaml:4: nudge: delivery.trigger[0].campaign: its trigger names the campaign welcome, which does" in err


def test_faults_as_json(connector: Connector) -> None:
    """Each fault and warning has its place, and the line that people read."""
    Path("f.yaml").write_text(FOLLOW_ON.replace("exceptions", "exeptions"))
    code, out, _ = connector("validate", "f.yaml", "--json")
    problem = "unknown key; did you mean exceptions?"
    fault = {"file": "f.yaml", "line": 5, "id": None, "key": "delivery.exeptions", "problem": problem}
    assert code == 1
    assert json.loads(out) == {
        "valid": False,
        "definitions": [],
        "faults": [{**fault, "text": f"f.yaml:5: delivery.exeptions: {problem}"}],
        "warnings": [],
    }


def test_one_id_in_two_paths(connector: Connector) -> None:
    """The second one is named with the place of the first."""
    for name in ("one.yaml", "two.yaml"):
        Path(name).write_text("campaign: welcome\ndelivery: {type: external}\n")
    code, _, err = connector("validate", "one.yaml", "two.yaml")
    assert code == 1
    assert "two.yaml:1: campaign: welcome is defined twice, first at one.yaml:1" in err


def test_faults_of_the_workspace(connector: Connector) -> None:
    """P7: settings that `apply` refuses, even if a campaign has the workspace's id."""
    cap = "frequency_caps: [{at_most: 0, per: day}]"
    Path("w.yaml").write_text(f"campaign: default\ndelivery: {{type: external}}\n---\nworkspace: default\n{cap}\n")
    code, _, err = connector("validate", "w.yaml")
    assert code == 1
    assert err.startswith("w.yaml:5: frequency_caps[0].at_most: 0 would let no message out")


@pytest.mark.parametrize("kind", ["campaign", "card", "workspace", "all"])
def test_schema_is_printed(connector: Connector, kind: str) -> None:
    """Each kind is one JSON Schema."""
    code, out, _ = connector("schema", kind)
    assert code == 0
    Draft202012Validator.check_schema(json.loads(out))


def test_unknown_kind_of_schema(connector: Connector) -> None:
    """The nearest one is named."""
    code, out, err = connector("schema", "campaigns")
    assert (code, out) == (2, "")
    assert "did you mean campaign?" in " ".join(err.replace("│", " ").split())


def test_init_overwrites_nothing(connector: Connector) -> None:
    """All or nothing, unless it is forced."""
    code, out, _ = connector("init", "shop", "--json")
    files = ["abandoned-cart.yaml", "connector.schema.json", "timeline-example.jsonl", "workspace.yaml"]
    assert (code, json.loads(out)) == (0, {"folder": "shop", "files": files})
    edited = Path("shop/workspace.yaml")
    edited.write_text("mine")
    code, out, err = connector("init", "shop")
    assert (code, out) == (1, "")
    assert "shop has" in err
    assert "--force" in err
    assert edited.read_text() == "mine"
    assert connector("init", "shop", "--force")[0] == 0
    assert edited.read_text() != "mine"


def test_init_where_nothing_can_be_written(connector: Connector) -> None:
    """A file in the place of the folder."""
    Path("taken").write_text("")
    code, _, err = connector("init", "taken/shop")
    assert code == 1
    assert "taken/shop: cannot be written" in err


def test_what_init_writes_is_valid_and_plays(connector: Connector) -> None:
    """No fault, no warning; by the schema beside it too; and the timeline shows a send, an exception and a refusal."""
    connector("init", "shop")
    schema = Draft202012Validator(json.loads(Path("shop/connector.schema.json").read_text()))
    texts = [path.read_text() for path in Path("shop").glob("*.yaml")]
    assert all(text.startswith("# yaml-language-server: $schema=connector.schema.json\n") for text in texts)
    assert [e.message for text in texts for d in read_documents(text, "") for e in schema.iter_errors(d.data)] == []
    assert connector("validate", "shop") == (0, "2 campaigns, the workspace: 0 faults, 0 warnings\n", "")
    played = connector("simulate", "--campaigns", "shop", "--timeline", "shop/timeline-example.jsonl", "--json")
    outcomes = [outcome(line) for line in Run(*played).outcomes]
    assert [one for one in outcomes if one[0] == "cart-reminder"] == [
        ("cart-reminder", "eve", "refused", "not_in_audience"),
        ("cart-reminder", "ben", "excepted", "exception"),
        ("cart-reminder", "ada", "sent", None),
    ]


def outcome(line: dict[str, Any]) -> tuple[str, str, str, str | None]:
    return line["campaign"], line["user"], line["state"], line["reason"]


def test_validate_imports_no_server_and_no_driver() -> None:
    """An editor or a hook may run it at every save."""
    heavy = {"temporalio", "fastapi", "alembic", "psycopg"}
    imported = f"import sys, starter.commands.validate; print(*{heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True, cwd="/")
    assert printed.stdout.strip() == ""
