"""The queries of dashboards and alerts, and the names of metrics in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.metrics_docs import SDK_METRICS, described
from tests.support.repository import ROOT

ALERTS = ROOT / "deploy" / "alerts.yaml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
_OF_PROMETHEUS = {"up", "process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes"}
_KEYWORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_BY = re.compile(r"\bby\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Query:
    """A query, and where it stands: the alert, or the dashboard and its panel."""

    place: str
    text: str

    @property
    def metrics(self) -> set[str]:
        """The names of metrics: every word that is neither text, label, function nor keyword."""
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", self.text)
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
        bare = re.sub(r"\boffset\s+\w+", "", _GROUPING.sub("", bare))
        return {word for word in re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", bare) if word not in _KEYWORDS}

    @property
    def labels(self) -> set[str]:
        """The labels that every result of the query has: those of its outermost aggregation, but `le`."""
        found = _BY.search(self.text)
        names = set() if found is None else {name.strip() for name in found[1].split(",")}
        return names - {"le"}


def load_alerts() -> list[dict[str, Any]]:
    """Return the alerts as they are written."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def load_queries() -> list[Query]:
    """Return every query of alerts and dashboards, with Grafana's variables replaced."""
    queries = [Query(f"alert {alert['alert']}", alert["expr"]) for alert in load_alerts()]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                text = target["expr"].replace("$__rate_interval", "1m").replace("$workspace", ".*")
                queries.append(Query(f"{path.stem}: {panel['title']}", text))
    return queries


def known_metrics() -> set[str]:
    """Return the names under which metrics can be queried."""
    own = {metric.name: metric.kind for metric in described()}
    kinds = own | {name: kind for name, (kind, *_) in SDK_METRICS.items()}
    histograms = {name for name, kind in kinds.items() if kind == "histogram"}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    return kinds.keys() - histograms | parts | _OF_PROMETHEUS
