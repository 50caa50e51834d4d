"""Find links in templates whose host comes from user data: whoever sets the value decides where the link leads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Literal

from liquid.exceptions import LiquidError
from liquid.token import TOKEN_CONTENT, TOKEN_OUTPUT
from pydantic import BaseModel

from connector.rules.model.campaigns import Campaign, Card
from connector.rules.model.errors import Fault
from connector.rules.model.html_source import decode_references, read_tags
from connector.rules.model.messages import Webhook
from connector.templating.lexing import Piece, find_pieces
from connector.templating.liquid_bounds import PLAIN
from connector.templating.templates import message_texts, template_texts

_Kind = Literal["link", "html", "text"]
_LOCAL = re.compile(r"\s*([\w-]+)\s*=(.*)", re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_HREF = re.compile(r"""[a-z]{1,10}\s{0,9}=\s{0,9}(?:"([^"]*)|'([^']*)|([^\s"'>]*))\Z""", re.IGNORECASE)
_LINK_ATTRIBUTES = ("href", "action", "formaction")
_URL = re.compile(r"https?://[^\s\"<>]*\Z", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s\"<>]+", re.IGNORECASE)
_WRITTEN_HOST = re.compile(r"https?://([A-Za-z0-9.-]+)(?=[\s\"'<>/?#:]|\Z)", re.IGNORECASE)
_SCRIPTS = frozenset({"javascript:", "data:", "vbscript:"})
_AFTER_HOST = re.compile(r"[/?#\\]")
_NAMES = re.compile(r"[\w-]+")
_SILENT = frozenset({"endcapture", "endcomment", "enddoc"})
"""The ends of blocks that write nothing at their place."""
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
"""Lower case that leaves every character at its place; `str.lower` makes two of some."""
_MAX_PREFIX = 2_000
"""How many characters before a value are examined; no host is longer."""
_BRANCHES = frozenset({"else", "elsif", "when"})


def check_links(definition: Campaign | Card) -> list[Fault]:
    """Return a fault for each value from user data that is a part of the host of a link, or a whole link.

    Links are the fields `link` and `url`, `href` and `action` in HTML, and URLs in texts. A webhook's body has none.
    """
    return [
        Fault(
            key,
            f"in {definition.id}, line {line} of the template: the host of a link comes from user data ({markup}); "
            "write the host, or list the hosts that it may be in CONNECTOR_LINK_HOSTS",
        )
        for key, message, name, text in template_texts(definition)
        if (kind := _kind_of(message, name)) is not None and "{" in text
        for line, markup in _Walk(text, kind).faults()
    ]


def leads_elsewhere(message: BaseModel, content: Mapping[str, Any], hosts: Collection[str]) -> bool:
    """Return whether user data made a link of a rendered message lead to a host that is not allowed.

    Args:
        message: the templates.
        content: what they rendered to.
        hosts: the allowed hosts, besides those that the author wrote: in lower case, `*.` matches any subdomain.
    """
    rendered = dict(message_texts(content))
    return any(
        not all(_is_allowed(host, hosts, text) for host in _hosts(rendered.get(name, ""), kind))
        for name, text in message_texts(message.model_dump(by_alias=True, exclude_none=True))
        if (kind := _kind_of(message, name)) is not None and "{" in text and _has_open_host(text, kind)
    )


@lru_cache(maxsize=2048)
def _has_open_host(text: str, kind: _Kind) -> bool:
    return any(True for _ in _Walk(text, kind).faults())


def _hosts(text: str, kind: _Kind) -> Iterator[str]:
    """Yield the host of every link in a rendered text; for a scheme that no author of a mail links to, the scheme."""
    links = [text] if kind == "link" else _WEB.findall(decode_references(text) if kind == "html" else text)
    if kind == "html":
        links += [value for tag in read_tags(text) for name in _LINK_ATTRIBUTES if (value := tag.value(name))]
    for link in links:
        start = re.sub(r"[\x00-\x20]", "", link).replace("\\", "/").lower()
        scheme = _SCHEME.match(start)
        if scheme is None and not start.startswith("//"):
            continue
        if scheme is not None and scheme[0] not in ("http:", "https:"):
            if scheme[0] in _SCRIPTS:
                yield scheme[0]
            continue
        rest = start[scheme.end() :] if scheme else start
        authority = _AFTER_HOST.split(rest.lstrip("/"), maxsplit=1)[0]
        yield authority.rpartition("@")[2].partition(":")[0]


def _is_allowed(host: str, hosts: Collection[str], template: str) -> bool:
    written = (match[1].lower() for match in _WRITTEN_HOST.finditer(template))
    return any(host == one or (one[:2] == "*." and host.endswith(one[1:])) for one in (*hosts, *written))


def _kind_of(message: BaseModel, name: str) -> _Kind | None:
    last = name.rpartition(".")[2]
    if isinstance(message, Webhook) and last != "url":
        return None
    if last in ("link", "url"):
        return "link"
    if last == "html":
        return "html"
    return "text" if last in ("body", "text", "title", "subject", "preheader") else None


@dataclass
class _Block:
    """A block that has begun: the text before it, and the text at the end of each branch so far."""

    before: str
    is_case_head: bool
    """Whether it is the part of a `case` before its first `when`, which writes nothing."""
    ends: list[str] = field(default_factory=list)
    has_else: bool = False


@dataclass
class _Walk:
    """Walks through a template with the text that stands before each value, as each branch begins it."""

    text: str
    kind: _Kind
    _before: str = ""
    _open: list[_Block] = field(default_factory=list)
    _own: set[str] = field(default_factory=lambda: {"campaign"})
    """Variables whose values the author sets."""

    def faults(self) -> Iterator[tuple[int, str]]:
        """Yield the line and the markup of every value that decides where a link leads."""
        for piece in find_pieces(self.text):
            if piece.lastgroup in (TOKEN_CONTENT, "RAW"):
                self._write(piece.group() if piece.lastgroup == TOKEN_CONTENT else piece.group("raw"))
            elif piece.lastgroup == TOKEN_OUTPUT:
                yield from self._value(piece, piece.group("stmt"))
            elif piece.lastgroup == "TAG" and piece.group("name") in ("echo", "cycle", "liquid"):
                if piece.group("name") == "liquid":
                    self._own.difference_update(_NAMES.findall(piece.group("expr")))
                yield from self._value(piece, piece.group("expr") if piece.group("name") == "echo" else "user")
            elif piece.lastgroup == "TAG":
                self._tag(piece.group("name"), piece.group("expr"))

    def _write(self, text: str) -> None:
        self._before = (self._before + text)[-_MAX_PREFIX:]

    def _value(self, piece: Piece, expression: str) -> Iterator[tuple[int, str]]:
        if _is_open(self._before, self.kind) and not self._is_own(expression):
            yield self.text.count("\n", 0, piece.start()) + 1, piece.group()[:100]
        self._write("x")

    def _tag(self, name: str, expression: str) -> None:
        if name == "assign" and (match := _LOCAL.fullmatch(expression)):
            (self._own.add if self._is_own(match[2]) else self._own.discard)(match[1])
        elif name in ("for", "tablerow", "capture"):
            self._own.difference_update(_NAMES.findall(expression)[:1])
        if name in _BRANCHES and self._open:
            self._branch(self._open[-1], name)
        elif name.startswith("end") and self._open:
            self._end(self._open.pop(), name)
        elif name in PLAIN.tags and PLAIN.tags[name].block:
            self._open.append(_Block(self._before, is_case_head=name == "case"))
            if name == "capture":
                self._before = " text of its own: "

    def _branch(self, block: _Block, name: str) -> None:
        block.ends += [] if block.is_case_head else [self._before]
        block.is_case_head, block.has_else = False, block.has_else or name == "else"
        self._before = block.before

    def _end(self, block: _Block, name: str) -> None:
        """Go on after a block with the text of the branch after which a value could decide where a link leads."""
        if name in _SILENT:
            self._before = block.before
            return
        ends = [self._before, *block.ends, *([] if block.has_else else [block.before])]
        self._before = next((end for end in ends if _is_open(end, self.kind)), self._before)

    def _is_own(self, expression: str) -> bool:
        try:
            return PLAIN.from_string(f"{{{{ {expression} }}}}").analyze().globals.keys() <= self._own
        except LiquidError:
            return False


def _is_open(text: str, kind: _Kind) -> bool:
    """Return whether a value after this text could decide where a link leads."""
    link = _link_before(text, kind)
    return link is not None and _is_before_host_end(link)


def _link_before(text: str, kind: _Kind) -> str | None:
    """Return the beginning of the link in which the text ends; None if it does not end in a link."""
    if kind == "link":
        return text
    lower = text.translate(_LOWER)
    if kind == "html":
        start = max(lower.rfind(f"{mark}{name}") for mark in " \t\n\f\r/\"'" for name in _LINK_ATTRIBUTES)
        match = _HREF.match(text, start + 1) if start >= 0 else None
        if match is not None:
            written = next(group for group in match.groups() if group is not None)
            return decode_references(written, in_attribute=True)
    start = max(lower.rfind("http://"), lower.rfind("https://"))
    match = _URL.match(text, start) if start >= 0 else None
    return match[0] if match else None


def _is_before_host_end(link: str) -> bool:
    """Return whether what follows this beginning of a link can decide its host or its scheme."""
    start = re.sub(r"[\x00-\x20]", "", link).lower()  # browsers leave out line breaks and tabs, also within
    scheme = _SCHEME.match(start)
    if scheme is not None and scheme[0] not in ("http:", "https:"):
        return False  # an app's own, mailto or tel
    rest = start[scheme.end() :] if scheme else start
    if scheme is None and rest in ("/", "\\"):
        return True  # a second slash begins a host
    is_relative = scheme is None and not rest.startswith(("//", "/\\"))
    return not _AFTER_HOST.search(rest if is_relative else rest.lstrip("/\\"))
