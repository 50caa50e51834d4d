"""The list of robots' user agents, from two public lists: `make robots` fetches their newest versions and writes it.

Each list has its own version; the header of the file names them and the date.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution, version
from importlib.resources import files

from tests.support.repository import ROOT

PAGE = ROOT / "connector" / "tracking" / "crawlers.txt"
SOURCES = {
    "crawler-user-agents": "github.com/monperrus/crawler-user-agents",
    "crawlerdetect": "github.com/moskrc/CrawlerDetect, from github.com/JayBizzle/Crawler-Detect",
}
"""The packages, in the order of their patterns; both are under the MIT License."""

_PLAIN = re.compile(r"(?:[^\\.^$*+?()\[\]{}|]|\\\W)+")
_MIN_CHARACTERS = 5
"""Shorter names of the second list, which ignores case, are within too many other words."""

CORRECTIONS: dict[str, str | None] = {
    "AP3A\\.240617\\.008": None,  # a build of Android 15 on telephones of several makers
    "MetaIAB Facebook": None,  # Facebook's own browser, in which people read what they follow
    "Code\\/1\\.": None,  # an editor
    "Fluid": None,  # a browser
    "Sogou": r"Sogou[A-Za-z -]{1,20}[Ss]pider",  # Sogou also makes browsers
    "coccoc": "compatible; coccoc",  # so does Cốc Cốc
    "Sonic": "compatible; (?:RankSonic|Sonic/)",  # ViewSonic
    "Fever": "Fever/",  # telephones
    "Butterfly": "Butterfly/",  # a telephone
    "Expanse": "Expanse, a Palo Alto",  # a telephone
    "Blackboard": "Blackboard Safeassign",  # its apps
    "Freespoke\\/": "compatible; Freespoke/",  # its browser
    "Notion\\/": "^Notion/",  # its app
    "Instapaper\\/": "Instaparser/",  # its app
    "008\\/": "^008/",  # builds of Android
    "Chirp|gotosocial": "gotosocial",  # Google's speech
}
"""Patterns of the first list that also occur in the user agents of people, with their replacements."""

PEOPLES_PROGRAMS = frozenset(
    {
        # Mail programs, office programs and messengers, in which people open mails and follow links.
        "airmail", "canary%20mail", "polymail/", "macoutlook/", "^mail/", "microsoft office", "microsoft outlook",
        "outlook-express", "outlook-ios", "excel/", "powerpoint/", "word/", "slack/", "whatsapp", "yahoomailproxy",
        "zoom.mac", "microsoft.data.mashup", "microsoft-webdav-miniredir",
        # Readers of feeds and pages.
        "acrylicapps.com/pulp", "bandit", "instapaper", "liferea/", "netnewswire", "quiterss", "reeder/",
        "reederformac", "rssowl", "podcastaddict/", "readability", "fiery%20feeds", "feeder", "newsgator", "demon",
        # Browsers and telephones, and common parts of their names.
        "androiddownloadmanager", "ant.com", "astute", "autonomy", "chirp/", "coccoc", "facebookexternalua",
        "github.com", "httprequest", "khttp/", "libvlc", "libweb", "libwww", "mojeek", "networkingextension",
        "octopus", "okhttp", "openvas", "oppo a33", "photon/", "qqdownload", "speedy", "updated", "voyager/",
        "webster", "zeus ", "cortex/", "seeker", "twice", "integrity", "snappy", "criteo", "steeler",
    }
)  # fmt: skip
"""Names of the second list that its authors count as robots, or that are within the names of people's programs. Both
tables were checked against 37,000 user agents of people, the fixtures of github.com/matomo-org/device-detector of
2026-08."""


def write_list() -> str:
    """Return the content of the file, from the packages that are installed."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    named = [f"# {name} {version(name)} ({place})\n" for name, place in SOURCES.items()]
    header = [
        f"# Patterns of robots' user agents (regular expressions, one a line), written on {today} by `make robots`,\n",
        "# without those of people's programs (tests/support/robots_list.py), from\n",
        *named,
        "# A pattern that begins with (?i) is a name whose case does not matter.\n",
    ]
    licences = [f"#\n# The license of {name}:\n#\n{_licence(name)}" for name in SOURCES]
    return "".join([*header, *licences, *(f"{pattern}\n" for pattern in patterns())])


def patterns() -> Iterator[str]:
    """Yield the patterns of both lists, the second's names only, each once."""
    listed = json.loads(files("crawleruseragents").joinpath("crawler-user-agents.json").read_text("utf-8"))
    corrected = [CORRECTIONS.get(one["pattern"], one["pattern"]) for one in listed]
    first = [pattern for pattern in corrected if pattern is not None]
    yield from first
    known = {_text(pattern) for pattern in first}
    for pattern in import_module("crawlerdetect.providers.crawlers").data:
        text = _text(pattern)
        is_name = _PLAIN.fullmatch(pattern.removeprefix("^").removesuffix("$")) and len(text) >= _MIN_CHARACTERS
        if is_name and text not in PEOPLES_PROGRAMS | known:
            known.add(text)
            yield f"(?i){pattern}"


def _text(pattern: str) -> str:
    return re.sub(r"\\(\W)", r"\1", pattern).lower()


def _licence(name: str) -> str:
    path = next(path for path in distribution(name).files or () if path.name.upper().startswith("LICENSE"))
    lines = distribution(name).locate_file(path).read_text("utf-8").splitlines()
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(write_list(), "utf-8")
