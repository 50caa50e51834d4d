"""The metrics: bounded labels, and a page that describes every one of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from connector.metrics import OTHER, TopValues
from tests.support.metrics_docs import PAGE, render_page


def counters() -> tuple[TopValues, Counter, CollectorRegistry]:
    """Return a label of three values, and the counter that has it."""
    registry = CollectorRegistry()
    counter = Counter("things", "Things, by kind.", ["kind"], registry=registry)
    return TopValues("kind", 3, [counter]), counter, registry


def values(registry: CollectorRegistry) -> dict[str, float]:
    """Return the counter's values by label."""
    samples = (sample for family in registry.collect() for sample in family.samples)
    return {sample.labels["kind"]: sample.value for sample in samples if sample.name.endswith("_total")}


def test_a_label_keeps_its_most_frequent_values() -> None:
    """A fourth value is `other` until it has come twice as often as the rarest, whose series it takes over."""
    kinds, counter, registry = counters()
    for kind, number in (("a", 9), ("b", 2), ("c", 5), ("d", 3), ("d", 1), ("e", 1), ("b", 1)):
        counter.labels(kinds.show(kind, number)).inc(number)
    assert values(registry) == {"a": 9, "c": 5, OTHER: 3 + 1 + 1, "d": 1}


def test_no_series_decreases_but_by_ending() -> None:
    """A rate never sees a value go down, so that it never takes a change of place for a restart."""
    kinds, counter, registry = counters()
    last: dict[str, float] = {}
    for step in range(2000):
        counter.labels(kinds.show(f"k{step * step % 17 * (step % 7)}")).inc()
        now = values(registry)
        assert len(now) <= 4
        assert now.get(OTHER, 0) >= last.get(OTHER, 0)
        assert all(now[kind] >= last[kind] for kind in now.keys() & last.keys())
        last = now


def test_memory_is_bounded() -> None:
    """However many values come, few are remembered."""
    kinds, counter, registry = counters()
    for number in range(10_000):
        counter.labels(kinds.show(f"k{number}")).inc()
    assert len(kinds._counts) <= 301
    assert sum(values(registry).values()) == 10_000


def test_page_describes_every_metric() -> None:
    """`python -m tests.support.metrics_docs` writes docs/metrics.md from the definitions."""
    assert PAGE.read_text() == render_page()
