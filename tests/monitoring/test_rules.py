"""Alerts and dashboards: only metrics that exist, a unit test and a runbook paragraph for each alert."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.promql import ALERTS, DASHBOARDS, Query, known_metrics, load_alerts, load_queries
from tests.support.repository import ROOT

UNIT_TESTS = Path(__file__).with_name("alerts_test.yaml")


def test_every_metric_exists() -> None:
    """A name that nothing exposes would make an alert that never fires."""
    queries = load_queries()
    assert len(queries) > 60
    assert [(query.place, names) for query in queries if (names := query.metrics - known_metrics())] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('sum by (a, le) (rate(x_bucket{b="c_d or e"}[5m])) > 0.5', {"x_bucket"}),
        ("max(x) == 0 and on (job) y offset 15m unless z", {"x", "y", "z"}),
        ('histogram_quantile(0.9, x) / up{job=~"a-.+"}', {"x", "up"}),
    ],
)
def test_names_are_found(text: str, names: set[str]) -> None:
    """The search above finds names, and nothing else."""
    assert Query("", text).metrics == names


def test_every_alert_has_its_paragraph() -> None:
    """The annotation leads to a heading of the runbook, which is there for no other alert."""
    page = (ROOT / "docs" / "runbook.md").read_text()
    part = page.partition("<!-- begin: alerts -->")[2].partition("<!-- end: alerts -->")[0]
    assert re.findall(r"^### (\w+)$", part, re.MULTILINE) == [alert["alert"] for alert in load_alerts()]
    for alert in load_alerts():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("page", "ticket")


def test_every_alert_has_a_unit_test() -> None:
    """Each is silent at one time and fires at another."""
    tests = [case["alert_rule_test"] for case in yaml.safe_load(UNIT_TESTS.read_text())["tests"]]
    fires = {one["alertname"]: [bool(one.get("exp_alerts")) for one in case] for case in tests for one in case}
    assert fires == {alert["alert"]: [False, True] for alert in load_alerts()}


@pytest.mark.parametrize("words", [("check", "rules", str(ALERTS)), ("test", "rules", str(UNIT_TESTS))], ids=" ".join)
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    """Prometheus' own program reads the rules, and plays the unit tests."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool; Debian's package `prometheus` has it")
    done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_can_be_imported() -> None:
    """Each has an id of its own, a data source that is chosen on import, and panels that do not overlap."""
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) == 2
    for board in boards:
        assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "workspace"}
        cells = [
            (x, y)
            for panel in board["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
