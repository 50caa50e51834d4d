"""Timelines in YAML: the same lines as a list or as documents, with the line of each fault; and rendered messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from connector.definitions import read_definitions
from tests.support.repository import ROOT
from tests.support.simulation import Connector

CASES = sorted((ROOT / "examples" / "behaviour").glob("0[5-9]*"))
CAMPAIGNS = """\
campaign: o
delivery: {type: external}
---
campaign: f
delivery: {type: action_based, trigger: [{interaction: receive_push, campaign: o}]}
messages: {push: {title: "Hi {{ user.first_name }}", body: "{{ event.sku }}"}}
"""
TIMELINE = """\
# a comment
- at: 2026-03-02T09:00:00Z
  user: {id: u, first_name: Ann, push_tokens: [p]}
- {at: 2026-03-02T09:00:00Z, publish: [f, o]}
- at: 2026-03-02T10:00:00Z
  interaction:
    id: e1
    user: u
    type: receive_push
    campaign: o
    properties: {sku: A}
"""


def simulate(connector: Connector, folder: Path, timeline: str, *words: str):
    (folder / "c.yaml").write_text(CAMPAIGNS)
    (folder / "timeline.yaml").write_text(timeline)
    files = ("--campaigns", folder, "--timeline", folder / "timeline.yaml")
    return connector("simulate", *files, "--json", *words)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_list_and_documents_play_like_lines_of_json(connector: Connector, tmp_path: Path, case: Path) -> None:
    """The examples of docs/behaviour.md, written as YAML in both forms, have the outcomes of their JSON lines."""
    lines = [json.loads(line) for line in (case / "timeline.jsonl").read_text().splitlines()]
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(lines, allow_unicode=True))
    (tmp_path / "documents.yml").write_text(yaml.safe_dump_all(lines, allow_unicode=True))
    runs = [
        connector("simulate", "--campaigns", case / "campaigns.yaml", "--timeline", timeline, "--json")
        for timeline in (case / "timeline.jsonl", tmp_path / "list.yaml", tmp_path / "documents.yml")
    ]
    assert runs[0].code == runs[1].code == runs[2].code
    assert runs[0].out == runs[1].out == runs[2].out


def test_a_timeline_beside_its_campaigns(connector: Connector, tmp_path: Path) -> None:
    """A folder's `timeline.yaml` is no definition, for `apply` either."""
    run = simulate(connector, tmp_path, TIMELINE)
    assert [(one["state"], one["channels"]) for one in run.outcomes] == [("sent", ["push"])]
    assert [one.id for one in read_definitions(tmp_path).campaigns] == ["o", "f"]


def test_rendered_messages_on_request(connector: Connector, tmp_path: Path) -> None:
    """The keys of the contract stay as they are without `--messages`, which adds one."""
    plain = simulate(connector, tmp_path, TIMELINE).outcomes
    [asked] = simulate(connector, tmp_path, TIMELINE, "--messages").outcomes
    assert asked.pop("messages") == {"push": {"title": "Hi Ann", "body": "A", "buttons": [], "pages": []}}
    assert plain == [asked]
    files = ("--campaigns", tmp_path, "--timeline", tmp_path / "timeline.yaml")
    assert "\n    push: Hi Ann · A\n" in connector("simulate", *files, "--messages").out


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("type: receive_push", "type: recieve_push", "line 9: interaction: type: 'recieve_push' is unknown"),
        (
            "- at: 2026-03-02T10:00:00Z",
            "- at: 2026-03-02T10:00:00",
            "line 5: at: '2026-03-02T10:00:00' needs a time zone",
        ),
        ("- at: 2026-03-02T10:00:00Z", "- when: 2026-03-02T10:00:00Z", "line 5: unknown key 'when'"),
        ("- at: 2026-03-02T10:00:00Z", "- at: 10:00", 'line 5: must be quoted: "10:00"'),
        ("id: e1", "id: &e1 e1", "line 7: anchors (&e1) are not supported"),
        ("    user: u\n", "\tuser: u\n", "line 8: "),
        ("first_name: Ann", "time_zone: Mars", "line 3: user: time_zone: 'Mars' is not an IANA time zone"),
        ("publish: [f, o]", "apply: {campaign: f, delivery: {type: extrenal}}", "line 4: apply: delivery"),
        ("- {at: 2026-03-02T09:00:00Z, publish: [f, o]}", "- just text", "line 4: is not an object"),
    ],
)
def test_each_fault_has_its_line(connector: Connector, tmp_path: Path, before: str, after: str, fault: str) -> None:
    """The line of the key that is wrong, in the words of timelines in JSON and of definitions in YAML."""
    assert before in TIMELINE
    run = simulate(connector, tmp_path, TIMELINE.replace(before, after))
    assert (run.code, run.out) == (1, "")
    assert f"{tmp_path}/timeline.yaml: {fault}" in run.err
