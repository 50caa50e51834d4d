"""Names and labels of metrics, by Prometheus' and OpenMetrics' conventions: every metric against every rule."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.metrics_docs import Described, described

NAMING = "Prometheus, Metric and label naming"
OPENMETRICS = "OpenMetrics 1.0"
Rule = Callable[[Described], bool]

UNBOUNDED = {"user", "user_key", "id", "follow_up", "delivery", "address", "email", "trigger", "path", "url", "key"}
"""What would name a person, or grow with use."""

RULES: list[tuple[str, str, Rule]] = [
    (f"{NAMING}: a prefix with the application's name", "prefix", lambda one: one.name.startswith("connector_")),
    (f"{NAMING}: data model, snake case", "characters", lambda one: bool(re.fullmatch(r"[a-z][a-z0-9_]*", one.name))),
    (
        f"{NAMING}: base units, in plural",
        "unit",
        lambda one: not re.search(r"_(ms|millis\w*|minutes|hours|kb|mb)\b", one.name),
    ),
    (f"{NAMING}: a unit as suffix", "timing", lambda one: one.kind != "histogram" or one.name.endswith("_seconds")),
    (
        f"{OPENMETRICS}: counters end in _total",
        "total",
        lambda one: (one.kind == "counter") == one.name.endswith("_total"),
    ),
    (
        f"{OPENMETRICS}: suffixes that belong to a type",
        "suffix",
        lambda one: not re.search(r"_(sum|count|bucket|created|info)$", one.name),
    ),
    (
        f"{NAMING}: a label is not in the name",
        "label",
        lambda one: not any(f"_by_{label}" in one.name for label in one.labels),
    ),
    (f"{NAMING}: no label of high cardinality", "bounded", lambda one: not set(one.labels) & UNBOUNDED),
    (
        f"{OPENMETRICS}: reserved labels",
        "reserved",
        lambda one: not set(one.labels) & {"le", "quantile", "job", "instance"},
    ),
    (f"{OPENMETRICS}: help", "help", lambda one: one.help.endswith(".") and "\n" not in one.help),
]


@pytest.mark.parametrize(
    ("source", "rule"), [(source, rule) for source, _, rule in RULES], ids=[name for _, name, _ in RULES]
)
def test_every_metric_keeps_the_rule(source: str, rule: Rule) -> None:
    """Names that others expect, so that dashboards and alerts can be written without looking."""
    assert [metric for metric in described() if not rule(metric)] == [], source
