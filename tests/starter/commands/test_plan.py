"""`connector plan`: what is printed where, and the exit codes; `apply` tells what publishing would be refused for."""

import json
from pathlib import Path

import pytest

from starter.cli import run_command
from tests.support.api import Connector

ORIGINAL = "campaign: o\ndelivery: {type: external}\n"
FOLLOW_ON = """\
campaign: f
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: o}]
  delay: {after: 12 hours}
messages: {push: {title: Still there?, body: Hi}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An original and a follow-on, in two files."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "o.yaml").write_text(ORIGINAL)
    (folder / "f.yaml").write_text(FOLLOW_ON)
    return folder


def edit(folder: Path, before: str, after: str) -> None:
    (folder / "f.yaml").write_text(FOLLOW_ON.replace(before, after))


def test_new_ones_and_their_order(connector: Connector, data: Path, folder: Path) -> None:
    """P5: several paths; follow-ons first; nothing is saved."""
    code, out, err = connector("plan", str(folder / "o.yaml"), str(folder / "f.yaml"))
    assert code == 0
    assert f"warning: {folder}/f.yaml:6: f: messages.push: push has no provider" in err
    assert f"warning: {folder}/f.yaml:1: f: audience: no user is in its audience now" in err
    assert "new     campaign  f   1         -" in out
    assert "\n\n2 new, 0 edited, 0 unchanged\n" in out
    assert "publish would take effect in this order: f, o" in out
    assert json.loads(connector("status", "--json")[1])["campaigns"] == []


def test_what_an_edit_changes(connector: Connector, data: Path, folder: Path) -> None:
    """P10: the keys, with what they were and will be; and what the paths do not name."""
    connector("apply", str(folder))
    edit(folder, "delay: {after: 12 hours}", "delay: {after: 1 day}\n  key: properties.sku")
    code, out, _ = connector("plan", str(folder / "f.yaml"))
    assert code == 0
    assert '\nf:\n  ~ delivery.delay.after: "12 hours" → "1 day"\n  + delivery.key: "properties.sku"\n' in out
    assert "in the store but not in these files, and not changed: o (draft)" in out
    edit(folder, "body: Hi", f"body: '{'Hi, ' * 20}and bye'")
    assert f'  ~ messages.push.body: "Hi" → "{"Hi, " * 14}Hi…\n' in connector("plan", str(folder))[1]
    connector("apply", str(folder))
    edit(folder, "body: Hi", f"body: '{'Hi, ' * 20}and good bye'")
    assert '…Hi, Hi, Hi, Hi, and bye" → …Hi, Hi, Hi, Hi, and good bye"\n' in connector("plan", str(folder))[1]
    edit(folder, "  delay: {after: 12 hours}\n", "")
    assert "  - delivery.delay: " in connector("plan", str(folder))[1]


def test_nothing_to_do(connector: Connector, data: Path, folder: Path) -> None:
    """P5: unchanged drafts are still to be published, so they have their place in the order."""
    connector("apply", str(folder))
    code, out, _ = connector("plan", str(folder))
    assert code == 0
    assert out == (
        "0 new, 0 edited, 2 unchanged\npublish would take effect in this order: f, o\n"
        "f: of 0 users, 0 are in the audience now, and 0 can be reached (push 0)\n"
    )


def test_a_refusal(connector: Connector, data: Path, folder: Path) -> None:
    """P7: told with its way out on standard error, with exit code 1; the rest is shown all the same."""
    edit(folder, "  delay: {after: 12 hours}", "  exceptions: [{event: e}]")
    code, out, err = connector("plan", str(folder))
    assert code == 1
    assert "\n\n2 new, 0 edited, 0 unchanged\n" in out
    assert err.endswith(
        f"publish would be refused:\n  {folder}/f.yaml:5: f: delivery.exceptions: its exceptions can never happen: "
        "without a delay it sends at once; add `delay`, or remove them\n"
    )


def test_missed_launches_may_be_allowed(connector: Connector, data: Path, folder: Path) -> None:
    """P3: as `publish` has it; a warning keeps the exit code 0."""
    connector("apply", str(folder / "f.yaml"))
    assert connector("plan", str(folder / "o.yaml"))[0] == 1
    code, _, err = connector("plan", str(folder / "o.yaml"), "--allow-missed")
    assert code == 0
    assert err.startswith("warning: f: delivery.trigger[0]: the draft follow-on f listens to o")


def test_what_apply_would_refuse(connector: Connector, data: Path, folder: Path) -> None:
    """M5: with exit code 1, and the words that `apply` would have."""
    connector("apply", str(folder))
    (folder / "f.yaml").write_text("card: f\ntitle: t\nbody: b\n")
    code, out, err = connector("plan", str(folder))
    assert (code, out) == (1, "")
    assert err == "apply would be refused:\n  f is a campaign already; campaigns and cards share one space of ids\n"


def test_a_fault_in_a_file(connector: Connector, data: Path, folder: Path) -> None:
    """Every fault of every file, with its line and key; another workspace's settings are one."""
    (folder / "o.yaml").write_text("campaign: o\ndleivery: {type: external}\n")
    (folder / "x.yaml").write_text("campaign: x\n")
    code, out, err = connector("plan", str(folder))
    assert (code, out) == (1, "")
    assert f"{folder}/o.yaml:2: dleivery" in err
    assert f"{folder}/x.yaml:1: delivery" in err
    (folder / "w.yaml").write_text("workspace: other\n")
    code, _, err = connector("plan", str(folder / "w.yaml"))
    assert code == 1
    assert "CONNECTOR_WORKSPACE" in err


def test_in_json(connector: Connector, data: Path, folder: Path) -> None:
    """Design 8: the same as one object on one line."""
    connector("apply", str(folder))
    edit(folder, "12 hours", "1 day")
    (folder / "w.yaml").write_text("workspace: default\nzone: Europe/Berlin\n")
    code, out, _ = connector("plan", str(folder), "--json")
    assert code == 0
    plan = json.loads(out)
    assert [said for said in plan.pop("warnings") if "messages.push" not in said and "audience" not in said] == []
    assert plan == {
        "changes": [
            {
                "id": "default",
                "kind": "workspace",
                "change": "edited",
                "revision": 2,
                "live_revision": None,
                "differences": [{"path": "zone", "change": "added", "before": None, "after": "Europe/Berlin"}],
            },
            {
                "id": "f",
                "kind": "campaign",
                "change": "edited",
                "revision": 2,
                "live_revision": None,
                "differences": [
                    {"path": "delivery.delay.after", "change": "edited", "before": "12 hours", "after": "1 day"}
                ],
            },
        ],
        "unchanged": ["o"],
        "elsewhere": [],
        "order": ["f", "o"],
        "refusals": [],
        "waits": [],
        "audiences": [
            {
                "campaign": "f",
                "in_audience": 0,
                "reachable": 0,
                "by_channel": {"push": 0},
                "looked_at": 0,
                "users": 0,
                "is_exact": True,
                "is_sample": False,
            }
        ],
        "texts": [],
    }


def test_how_many_segments_a_text_has(connector: Connector, data: Path, folder: Path) -> None:
    """3GPP TS 23.040: each segment is charged for; what a template's values add is not known."""
    body = "Grüße, {{ user.first_name }}: https://shop.example/sale €"
    edit(folder, "{push: {title: Still there?, body: Hi}}", f"{{sms: {{body: '{body}'}}}}")
    out = connector("plan", str(folder))[1]
    assert (
        "f, messages.sms: 1 segment (GSM-7, 37 septets, 1 link at the length sent); the template's values add to it"
        in out
    )
    [text] = json.loads(connector("plan", str(folder), "--json")[1])["texts"]
    assert (text["campaign"], text["segments"], text["depends_on_values"]) == ("f", 1, True)


@pytest.mark.store_only("about the data folder")
def test_without_a_store(connector: Connector, folder: Path, tmp_path: Path) -> None:
    """The way out is named, and no empty folder is left behind."""
    code, out, err = connector("plan", str(folder), "--data", str(tmp_path / "typo"))
    assert (code, out) == (1, "")
    assert "connector dev" in err
    assert not (tmp_path / "typo").exists()
    (tmp_path / "empty").mkdir()
    code, _, err = connector("plan", str(folder), "--data", str(tmp_path / "empty"))
    assert code == 1
    assert "connector setup" in err


@pytest.mark.parametrize("words", [["plan"], ["plan", "not-there.yaml"], ["plan", ".", "--nonsense"]])
def test_wrong_words(words: list[str]) -> None:
    """Design 8: exit code 2."""
    assert run_command(words) == 2


def test_apply_tells_what_publish_will_refuse(connector: Connector, data: Path, folder: Path) -> None:
    """P7: the draft is saved all the same."""
    edit(folder, "  delay: {after: 12 hours}", "  exceptions: [{event: e}]")
    code, out, err = connector("apply", str(folder))
    assert code == 0
    assert "\n\n2 new, 0 edited, 0 unchanged\n" in out
    refused = f"warning: publishing f will be refused: {folder}/f.yaml:5: delivery.exceptions"
    assert f"{refused}: its exceptions can never happen" in err
