"""Read the address of a sender, a recipient or a reply (RFC 5322, 3.4): one mailbox, never a list or a group."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.channels.mime_headers import check_line
from connector.channels.protocol import Rejected
from connector.rules.model.addresses import domain_to_ascii

# The standard library's address parser accepts too much and fails on some of the rest. The price of this one is that
# quoted local parts, which are very rare, are refused.
_ATOM = r"[^\s<>@,;:\"\\()\[\]]+"
_ADDRESS = rf"(?P<local>{_ATOM})@(?P<domain>{_ATOM})"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BARE = re.compile(_ADDRESS)
_WITH_NAME = re.compile(rf"(?P<name>(?:{_QUOTED}|[^<>@\"])*)<\s*{_ADDRESS}\s*>(?:\s*\([^()\\]*\))?")
_WITH_COMMENT = re.compile(rf"{_ADDRESS}\s*\((?P<comment>[^()\\]*)\)")
"""The form that RFC 822 used: the name in a comment after the address."""
_PART = re.compile(rf"{_QUOTED}|[^\"]+")
_MAX_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Mailbox:
    """An address with a name, which may be empty. The domain is in ASCII."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """The address alone."""
        return f"{self.local}@{self.domain}"

    @property
    def is_international(self) -> bool:
        """Whether the address needs SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()


def read_mailbox(text: str, field: str) -> Mailbox:
    """Return the mailbox of a field, with or without a name.

    Raises:
        Rejected: the field is not exactly one mailbox; the error quotes nothing of the field.
    """
    line = check_line(text, field)
    match = _WITH_NAME.fullmatch(line) or _WITH_COMMENT.fullmatch(line) or _BARE.fullmatch(line)
    if match is None:
        raise Rejected("email_invalid", f'{field} must be one address, such as "Shop <news@shop.example>"')
    groups = match.groupdict()
    name = _name(groups.get("name") or groups.get("comment") or "")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise Rejected("email_invalid", f"a name has more than {_MAX_NAME_CHARACTERS} characters")
    return Mailbox(name, match["local"], domain_to_ascii(match["domain"]))


def read_recipient(text: str | None) -> Mailbox:
    """Return the bare address of a user. Raises Rejected if the user has none, or has anything but one bare address."""
    if not text:
        raise Rejected("no_address", "the user has no email address")
    match = _BARE.fullmatch(check_line(text, "to"))
    if match is None:
        raise Rejected("email_invalid", "the user's email must be one bare address")
    return Mailbox("", match["local"], domain_to_ascii(match["domain"]))


def _name(phrase: str) -> str:
    """Return a display name without its quotes; a backslash in quotes means the character after it."""
    parts = (re.sub(r"\\(.)", r"\1", part[1:-1]) if part[0] == '"' else part for part in _PART.findall(phrase))
    return "".join(parts).strip()
