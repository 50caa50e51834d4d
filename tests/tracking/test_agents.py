"""The public list of crawlers' agents."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from connector.tracking.agents import is_crawler

PEOPLE = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Edg/126.0",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17628; Pro)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.10.1",
    "Mozilla/5.0",
    "",
]
PROGRAMS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "facebookexternalhit/1.1",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "curl/8.5.0",
    "python-requests/2.32",
    "Go-http-client/2.0",
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_browsers_and_mail_programs_are_no_crawlers(agent: str) -> None:
    """M2: no reader is classified as a machine by the name of a common program."""
    assert not is_crawler(agent)


@pytest.mark.parametrize("agent", PROGRAMS)
def test_crawlers_are_known(agent: str) -> None:
    """M2: crawlers, link previews, programming libraries."""
    assert is_crawler(agent)


def test_names_and_patterns_together_are_the_list() -> None:
    """Searching plain texts first finds what the list's own patterns find."""
    lines = files("connector.tracking").joinpath("crawlers.txt").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert len(patterns) > 1000
    for pattern in patterns:
        text = re.sub(r"\\(\W)", r"\1", pattern)
        if re.search(pattern, text):
            assert is_crawler(text), pattern


def test_a_huge_agent_costs_no_more_than_others() -> None:
    """Only the first 512 characters are matched."""
    assert not is_crawler("x" * 600 + "Googlebot/2.1")
    assert not is_crawler("Mozilla " * 1_000_000)
