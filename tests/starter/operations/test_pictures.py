"""The graph as a picture and in Mermaid's language, and the report: complete, and safe whatever people wrote."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from connector.rules.model.campaigns import AnyDefinition, parse_definition
from starter.operations.graph import graph_of_files
from starter.operations.graph_layout import NODE_WIDTH, lay_out
from starter.operations.graph_picture import draw_graph_picture
from starter.operations.mermaid import draw_mermaid
from starter.operations.report_page import write_report
from tests.support.builders import external, follow_on

HOSTILE = (
    '"]; click n0 href "javascript:alert(1)" %%{init: {}}%% <script>alert(\'x\')</script> <img src=x onerror=y> & \x07'
)


def on(target: str, interaction: str = "receive_push", **refined: Any) -> dict[str, Any]:
    return {"interaction": interaction, "campaign": target, **refined}


def parsed(*definitions: dict[str, Any]) -> list[AnyDefinition]:
    return [parse_definition(one) for one in definitions]


def hostile_graph() -> dict[str, Any]:
    """Markup wherever a marketer can write: names, buttons, events and their values; and in what an API may answer."""
    named = {**follow_on("f", on("o", "click_push_button", button=HOSTILE), exceptions=[on("f")]), "name": HOSTILE}
    named["delivery"]["trigger"].append({"event": HOSTILE, "where": {HOSTILE: HOSTILE}})
    graph = graph_of_files(parsed(external(), named))
    return {**graph, "nodes": [{**node, "state": HOSTILE, "delay": HOSTILE} for node in graph["nodes"]]}


def hostile_graph_live() -> dict[str, Any]:
    """The same with the counts of the database."""
    graph = hostile_graph()
    return {**graph, "nodes": [_live(node) for node in graph["nodes"]]}


def hostile_results() -> dict[str, Any]:
    counts = {"enrolled": 10, "sent": 20, "opened": 9, "opened_by_people": 8, "clicked": 4, "converted": {"A": 3}}
    uplift = {"rate": 0.15, "control_rate": 0.1, "difference": 0.05, "low": -0.1, "high": 0.2, "verdict": "undecided"}
    compared = {**counts, "uplift": {"A": uplift, "B": None}}
    day = {"control": counts, "receivers": compared, "variants": [{"variant": "daily", **compared}]}
    return {
        "id": "f",
        "since": None,
        "until": "2026-04-01T00:00:00Z",
        "as_of": "2026-03-02T12:00:00Z",
        "zone": HOSTILE,
        "confidence": 0.95,
        "control": counts,
        "receivers": compared,
        "variants": [{"variant": HOSTILE, **compared}, {"variant": None, **compared}],
        "funnel": {"triggered": 40, "waiting": 5, "sent": 20, "opened": 9, "clicked": 4, "converted": {"A": 3}},
        "reasons": [
            {"state": "dropped", "reason": "stale", "text": "it came too late", "count": 7},
            {"state": HOSTILE, "reason": HOSTILE, "text": HOSTILE, "count": 1},
        ],
        "exceptions_after": {"count": 3, "p10": 5.0, "p50": 5400.0, "p99": 200_000.0},
        "days": [{"day": f"2026-03-0{n}", **day} for n in (1, 2)],
    }


class _Reader(HTMLParser):
    """Collects what a page could load or run, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_report_is_self_contained() -> None:
    """No script, no address, no handler; markup is shown as it was written."""
    results = hostile_results()
    results["days"].append({**results["days"][0], "day": HOSTILE})
    page = write_report(results, hostile_graph_live())
    reader = _Reader()
    reader.feed(page)
    assert reader.tags.isdisjoint({"script", "img", "iframe", "link", "object", "a", "form"})
    assert not {name for name in reader.attributes if name.startswith("on") or name in ("src", "href", "action")}
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    shown = "".join(reader.texts)
    assert "<script>alert('x')</script>" in shown
    for words in (
        "variant ",
        "no difference shown",
        "too few users",
        "+5.0 points",
        "90 minutes",
        "2026-03-02",
        "variant daily",
        "stale",
    ):
        assert words in shown


def test_each_day_of_the_report_has_control_group_variants_and_uplift() -> None:
    """A row each, with the difference in points and its interval; what no user received is left out."""
    results = hostile_results()
    results["days"].append(
        {**results["days"][0], "day": "2026-03-03", "receivers": without_users(results), "variants": []}
    )
    per_day = write_report(results, hostile_graph_live()).partition("<h2>Per day</h2>")[2]
    rows = [
        _cells(row) for row in per_day.partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>") if row.strip()
    ]
    compared = ["20", "9", "4", "3 (15.0%)", "+5.0", "-10.0 to +20.0"]
    of_day = [compared, ["10", "9", "4", "3 (30.0%)", "", ""], compared]
    names = ["2026-03-03", "control group", "2026-03-02", "control group", "variant daily"]
    assert [row[0] for row in rows] == [*names, "2026-03-01", "control group", "variant daily"]
    assert [row[1:] for row in rows[2:]] == [*of_day, *of_day]


def without_users(results: dict[str, Any]) -> dict[str, Any]:
    """Return the receivers of a day without any, who cannot be compared."""
    counts = {step: 0 for step in ("enrolled", "sent", "opened", "opened_by_people", "clicked")}
    return {**counts, "converted": {"A": 0}, "uplift": {letter: None for letter in results["receivers"]["uplift"]}}


def _cells(row: str) -> list[str]:
    reader = _Reader()
    reader.feed(row.replace("></td>", "> </td>"))
    return [text.strip() for text in reader.texts if text != "\n"]


def _live(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "waiting": 5, "sent_today": 2}


def test_the_picture_is_valid_and_escaped() -> None:
    """It parses as XML, has only shapes and texts, and every node and edge."""
    picture = draw_graph_picture(hostile_graph())
    root = ElementTree.fromstring(picture)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
    assert picture.count('marker-end="url(#head)"') == 2
    assert picture.count('rx="5"') + picture.count('rx="14"') == 2


def test_mermaid_is_escaped() -> None:
    """No punctuation of a marketer's text is left: a line has the shape of a node or an edge."""
    drawn = draw_mermaid(hostile_graph())
    lines = drawn.splitlines()
    assert lines[0] == "flowchart LR"
    word = r'"(?:[\w \u00a1-\uffff]|#\d+;|<br/>)*"'
    for line in lines[1:]:
        is_node = re.fullmatch(rf"n\d+(\[|\(\[){word}(\]\)|\]):::\w+", line)
        assert is_node or re.fullmatch(rf"n\d+ (-->|-\.->)\|{word}\| n\d+", line), line


@pytest.mark.parametrize("number", [1, 7, 40])
def test_nodes_do_not_overlap(number: int) -> None:
    """Chains, branches, cycles and several conditions on one target, whatever their number."""
    heights = {f"c{n}": 50.0 for n in range(number)}
    edges = [{"from": f"c{n // 2}", "to": f"c{n}"} for n in range(1, number)]
    edges += [{"from": f"c{n}", "to": f"c{n // 3}"} for n in range(0, number, 5)]
    edges += [{"from": f"c{n % 3}", "to": f"c{n}"} for n in range(number)]
    layout = lay_out(heights, edges)
    boxes = list(layout.boxes.values())
    assert set(layout.boxes) == set(heights)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            beside = one.x + NODE_WIDTH <= other.x or other.x + NODE_WIDTH <= one.x
            assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y
    for edge, port in zip(edges, layout.ports, strict=True):
        box = layout.boxes[edge["to"]]
        assert box.y <= port <= box.y + box.height


def test_nothing_to_draw() -> None:
    """An empty folder gives an empty picture."""
    empty = graph_of_files([])
    assert ElementTree.fromstring(draw_graph_picture(empty)) is not None
    assert draw_mermaid(empty) == "flowchart LR\n"
