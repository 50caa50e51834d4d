"""`connector graph` and `connector report`, on the store and over HTTP."""

import json
from pathlib import Path

import pytest

from tests.support.api import Connector

YAML = """
campaign: welcome
delivery: {type: external}
---
campaign: nudge
delivery:
  type: action_based
  trigger: [{interaction: open_email, campaign: welcome}]
  delay: {after: 1 day}
messages: {push: {title: Hi, body: there}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "campaigns.yaml"
    file.write_text(YAML)
    return file


def test_graph_and_report_of_the_store(connector: Connector, data: Path, file: Path, tmp_path: Path) -> None:
    """What was applied, by id and as a whole; the report is written, and its numbers are printed as JSON."""
    assert connector("apply", str(file))[0] == 0
    code, out, err = connector("graph", "--json")
    assert (code, err) == (0, "")
    assert [(node["id"], node["waiting"]) for node in json.loads(out)["nodes"]] == [("nudge", 0), ("welcome", 0)]
    assert "opens the email" in connector("graph", "--around", "nudge")[1]
    code, _, err = connector("graph", "--around", "nudges")
    assert (code, "nudges is not known" in err) == (1, True)
    page = tmp_path / "report.html"
    code, out, err = connector("report", "nudge", "--html", str(page), "--since", "2026-03-01T00:00:00Z", "--json")
    assert (code, json.loads(out)["id"]) == (0, "nudge")
    assert "Sends after 1 day." in page.read_text()
    assert connector("report", "nobody", "--html", str(page))[0] == 1


@pytest.mark.store_only("files only")
def test_graph_of_files_needs_no_database(connector: Connector, file: Path, tmp_path: Path) -> None:
    """Without a data folder; the format follows the name of the file."""
    picture = tmp_path / "campaigns.svg"
    assert connector("graph", str(file), "--out", str(picture), "--data", str(tmp_path / "none"))[0] == 0
    assert picture.read_text().startswith("<svg")
    code, out, _ = connector("graph", str(file), "--data", str(tmp_path / "none"))
    assert (code, out.splitlines()[0]) == (0, "flowchart LR")
    code, _, err = connector("graph", str(file), "--out", str(tmp_path / "missing" / "x.svg"))
    assert (code, "cannot be written" in err) == (1, True)
