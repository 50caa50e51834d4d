"""`connector preview` and `simulate --like`, on the store and over HTTP: what is printed, written and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.app.configuration import read_settings
from tests.support.api import KEY, Connector
from tests.support.served_api import serving_api

CAMPAIGNS = """\
campaign: o
delivery: {type: external}
---
campaign: f
delivery: {type: action_based, trigger: [{event: visited}], delay: {after: 1 day}}
messages:
  push: {title: "Hi {{ user.first_name }}", body: "{{ event.page }}"}
  email: {subject: "For {{ user.first_name }}", html: "<p>Hi\u202e</p>", from: news@shop.example}
  sms: {body: "Hi {{ user.first_name }}"}
"""
ANN = '{"first_name": "Ann", "email": "ann@shop.example", "push_tokens": ["p"], "phone": "+12025550123"}'


@pytest.fixture
def saved(connector: Connector, data: Path, tmp_path: Path) -> Path:
    """Two saved campaigns, in a folder."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "all.yaml").write_text(CAMPAIGNS)
    assert connector("apply", str(folder))[0] == 0
    return folder


def test_what_a_person_reads(connector: Connector, saved: Path) -> None:
    """Every channel's message, what decides, and what is missing; bidirectional marks are escaped."""
    code, out, err = connector("preview", "f", "--profile", ANN)
    assert (code, err) == (0, "")
    assert "f (revision 1; the campaign is draft) for a user who was invented" in out
    assert "triggered now by visited (invented)" in out
    assert "✓ the user is in the audience" in out
    assert "push: would be sent at 2" in out
    assert "event.page has no value for this user (messages.push.body)" in out
    assert '"title": "Hi Ann"' in out
    assert "Subject: For Ann" in out
    assert "1 segment (GSM-7, 6 septets)" in out
    assert "\u202e" not in out


def test_an_edited_file_and_a_file_of_html(connector: Connector, saved: Path, tmp_path: Path) -> None:
    """`--file` previews what is not saved; `--html` writes the email's HTML; `--json` prints the operation's view."""
    edited, page = tmp_path / "edited.yaml", tmp_path / "page.html"
    edited.write_text(CAMPAIGNS.replace("<p>Hi", "<p>Hello").replace('title: "Hi', 'title: "New'))
    code, out, _ = connector(
        "preview", "f", "--file", str(edited), "--profile", ANN, "--html", str(page), "--json", "--channel", "email"
    )
    shown = json.loads(out)
    assert (code, shown["revision"], [one["channel"] for one in shown["messages"]]) == (0, None, ["email"])
    assert page.read_text() == "<p>Hello\u202e</p>"


def test_a_test_send_in_development(connector: Connector, saved: Path, data: Path) -> None:
    """Beside a running `connector dev` nothing leaves the machine; standard output has the result alone."""
    (data / "dev.json").write_text("{}")
    words = ("preview", "f", "--profile", ANN, "--send-to", "a-token")
    code, out, err = connector(*words, "--json")
    assert (code, json.loads(out)["is_printed"]) == (0, True), err
    assert "push has no provider here" in connector(*words)[1]
    [entry, *_] = json.loads(connector("audit", "--json")[1])["entries"]
    assert (entry["action"], entry["subject"], entry["outcome"]) == ("send_test", "f", "done")


REFUSED = [
    (("preview", "g"), 1, "g is not known"),
    (("preview", "o"), 1, "another system sends it"),
    (("preview", "f", "--user", "nobody"), 1, "the user nobody is not known"),
    (("preview", "f", "--channel", "webhook"), 1, "f has no message for webhook"),
    (("preview", "f", "--profile", "[]"), 2, "--profile must be a JSON object"),
    (("preview", "f", "--profile", '{"zone": 1}'), 1, "profile.zone: unknown key"),
    (("preview", "f", "--send-to", "me@shop.example"), 1, "email has no provider"),
    (("preview", "f", "--channel", "push", "--send-to", "me@shop.example"), 1, "push needs a push token"),
    (("simulate", "--campaigns", ".", "--like", "u"), 2, "--like and --since go together"),
    (("simulate", "--campaigns", "."), 2, "either --timeline or --like"),
]
"""The words of a command, its exit code, and what standard error says."""


def test_what_is_refused(connector: Connector, saved: Path) -> None:
    """The exit code 1 if it cannot be shown or sent, 2 if the words are wrong; the reason is the same both ways."""
    for words, code, why in REFUSED:
        found, _, err = connector(*words)
        assert (words, found, why in " ".join(err.split())) == (words, code, True), err


@pytest.mark.store_only  # it runs both ways itself: `simulate` without --like calls no API
def test_what_a_real_user_did_is_played(connector: Connector, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the store and over HTTP alike; nothing of it changes what is stored."""
    connector("interact", "--user", "u", "--type", "event", "--name", "visited", "--property", "page=start")
    words = ("simulate", "--campaigns", str(saved), "--like", "u", "--since", "1 hour", "--json", "--messages")
    here = connector(*words)
    assert here[0] == 0, here[2]
    [outcome] = map(json.loads, here[1].splitlines())
    assert (outcome["campaign"], outcome["state"], outcome["messages"]) == ("f", "dropped", {})
    with serving_api(read_settings()) as url:
        monkeypatch.setenv("CONNECTOR_API_URL", url)
        monkeypatch.setenv("CONNECTOR_API_KEY", KEY)
        assert connector(*words)[:2] == here[:2]
    monkeypatch.delenv("CONNECTOR_API_URL", raising=False)
    assert json.loads(connector("follow-ups", "--json")[1] or "{}").get("follow_ups", []) == []
