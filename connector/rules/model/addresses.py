"""Email addresses and phone numbers: the one form in which they are stored, compared, suppressed and sent to.

An email address is stored trimmed, its domain in A-labels in lower case (UTS 46, non-transitional: `straße.example` is
`xn--strae-oqa.example`), its local part as it was given in NFC: RFC 5321, section 2.4, asks to preserve its case. Two
addresses that differ only in the case of ASCII letters are compared as one, because no provider keeps them apart. A
phone number is stored in E.164, without separators and national prefix. Any other text is stored as it was given; it is
unreachable, and the request that describes the user is answered with a warning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

MAX_LOCAL_OCTETS = 64
MAX_ADDRESS_OCTETS = 254
"""RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3: a path of 256 octets includes its angle brackets."""
_MAX_LABEL_OCTETS = 63
_MAX_DOMAIN_OCTETS = 253

_INVISIBLE = "\ufeff\u200b\u2060\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""A byte order mark, spaces without width and marks of direction, which copying leaves at the ends."""
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\xa1-\U0010ffff]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
"""RFC 5322's dot-atom with RFC 6531's characters beyond ASCII. Quoted local parts, which are very rare, are refused."""
_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
"""Format characters that some scripts need within a word."""
_LDH_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_SEPARATORS = " -()."
_NUMBER_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_INTERNATIONAL = re.compile(r"(?:tel:)?[+\uff0b][\d\s()./\-\u2010-\u2015\u2212\xad\u200b\u2060]*")
"""Digits of any script with what people write between them; no letters, which a parser would turn into digits."""
_MAX_CHARACTERS = 1024
_MAX_NUMBER_CHARACTERS = 64
_E164 = re.compile(r"\+[1-9][0-9]{2,14}")


class AddressMeaning(StrEnum):
    """The meaning of a provider's refusal for the recipient's address."""

    NOTHING = "nothing"
    """The refusal is about this message, the sender, the account or this moment."""

    UNUSABLE = "unusable"
    """The address will not accept messages later either."""

    UNSUBSCRIBED = "unsubscribed"
    """The recipient withdrew their consent at the provider."""


ADDRESS_FIELDS: Mapping[str, str] = {"email": "email", "phone": "sms"}
"""The fields of a profile that hold an address, with their channels."""


def stored_address(channel: str, text: str) -> str:
    """Return the form in which an address of email or sms is stored and sent to; any other text is unchanged."""
    if channel == "sms":
        return _e164(text) or text
    return _mailbox(text) or text


def canonical_address(channel: str, text: str) -> str:
    """Return the form in which addresses are compared: as stored, email without the case of ASCII letters.

    What is not an address is compared without white space around it; a number also without separators.
    """
    if channel == "sms":
        return _e164(text) or text.translate(_NUMBER_SEPARATORS)
    return unicodedata.normalize("NFC", (_mailbox(text) or text.strip()).translate(_UPPER_TO_LOWER))


def forms_of_fragment(channel: str, text: str) -> set[str]:
    """Return the forms that a part of an address can have in a canonical one, such as `@bücher.example` or `ann`."""
    if channel == "sms":
        return {canonical_address(channel, text)}
    local, at, domain = unicodedata.normalize("NFC", text.translate(_UPPER_TO_LOWER)).rpartition("@")
    forms, labels = {local + at + domain}, domain.strip(".")
    with suppress(ValueError):
        forms.add(local + at + domain.replace(labels, domain_to_ascii(labels)))
    return forms


def earlier_forms(channel: str, address: str) -> set[str]:
    """Return the forms in which earlier versions compared an address, from its canonical form and with it.

    Marks of erased users are hashes, which no migration can change.
    """
    if channel == "sms":
        return {address, address.translate(_NUMBER_SEPARATORS)}
    local, at, domain = address.rpartition("@")
    readable = (local + at + to_unicode(domain)) if at else address
    return {address, address.casefold(), readable, readable.casefold()}


def is_sendable(channel: str, text: str) -> bool:
    """Return whether messages can be sent to an address of email or sms, as far as its form shows."""
    return address_problem(channel, text) is None


def address_problem(channel: str, text: str) -> str | None:
    """Return why nothing can be sent to an address, as a clause that follows its field's name; None if it can be."""
    if channel == "sms":
        return None if _e164(text) else "is not in E.164: a plus, the country code and the number, like +4915112345678"
    return None if _mailbox(text) else _mailbox_problem(text)


def address_warnings(changes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problem of each address in changes of a profile, a sentence each; the addresses are not quoted."""
    for field_name, channel in ADDRESS_FIELDS.items():
        value = changes.get(field_name)
        text = "" if value is None else str(value)
        if not text.strip():
            continue
        if problem := address_problem(channel, text):
            yield f"{field_name}: {problem}; it was stored, and {channel} to it is dropped as unreachable"
        elif doubt := _doubt(channel, text):
            yield f"{field_name}: {doubt}; it was stored, and {channel} to it will probably be refused"


def domain_to_ascii(domain: str) -> str:
    """Return a domain in A-labels in lower case, by UTS 46 (non-transitional, with STD 3's rules for ASCII).

    Symbols such as emoji are allowed, as UTS 46 does and some registries do, although RFC 5892 excludes them.

    Raises:
        ValueError: it is not a domain, or longer than DNS allows.
    """
    # Imported here, as phonenumbers is: short commands and workflows need not wait for the tables of Unicode.
    import idna

    mapped = idna.uts46_remap(domain, std3_rules=True, transitional=False).removesuffix(".")
    ascii_domain = ".".join(map(_label_to_ascii, mapped.split(".")))
    if len(ascii_domain) > _MAX_DOMAIN_OCTETS:
        raise ValueError("the domain is longer than 253 octets")
    return ascii_domain


def to_unicode(domain: str) -> str:
    """Return a domain in A-labels as people write it; a label that cannot be decoded is unchanged."""
    return ".".join(map(_label_to_unicode, domain.split(".")))


def _label_to_ascii(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        if not _LDH_LABEL.fullmatch(label):
            raise ValueError("a label has other characters than letters, digits and inner hyphens, or too many")
        return label
    import idna

    try:
        return idna.alabel(label).decode("ascii")
    except idna.InvalidCodepoint:
        return _symbols_to_ascii(label)


def _symbols_to_ascii(label: str) -> str:
    """Return the A-label of a label that holds symbols, which IDNA 2008 excludes and UTS 46 does not."""
    import idna

    readable = label.removeprefix("xn--").encode("ascii").decode("punycode") if label.isascii() else label
    encoded = "xn--" + readable.encode("punycode").decode("ascii")
    is_mapped = idna.uts46_remap(readable, std3_rules=True, transitional=False) == readable
    if not is_mapped or len(encoded) > _MAX_LABEL_OCTETS or (label.isascii() and encoded != label):
        raise ValueError("the label is not the A-label of what it decodes to")
    return encoded


def _label_to_unicode(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _mailbox(text: str) -> str | None:
    """Return an email address in its stored form; None if it is not one."""
    local, _, domain = _trimmed(text).rpartition("@")
    local = unicodedata.normalize("NFC", local)
    if len(text) > _MAX_CHARACTERS or not _is_local_part(local):
        return None
    try:
        address = f"{local}@{domain_to_ascii(domain)}"
    except ValueError:  # idna's errors and those of Unicode are also of this class
        return None
    is_short = len(local.encode()) <= MAX_LOCAL_OCTETS and len(address.encode()) <= MAX_ADDRESS_OCTETS
    return address if is_short else None


def _mailbox_problem(text: str) -> str:
    local, at, domain = _trimmed(text).rpartition("@")
    if not at:
        return "is not an email address: it has no @"
    if len(local.encode(errors="replace")) > MAX_LOCAL_OCTETS:
        return f"is not an email address: what is before the @ is longer than {MAX_LOCAL_OCTETS} octets"
    if not _is_local_part(local):
        return "is not one bare email address like ada@shop.example (RFC 5321)"
    try:
        domain_to_ascii(domain)
    except ValueError:
        return "is not an email address: what is after the @ is not a domain (RFC 5891)"
    return f"is not an email address: it is longer than {MAX_ADDRESS_OCTETS} octets"


def _is_local_part(text: str) -> bool:
    return _DOT_ATOM.fullmatch(text) is not None and not any(map(_is_not_printed, text))


def _trimmed(text: str) -> str:
    return text.strip().strip(_INVISIBLE).strip()


def _is_not_printed(letter: str) -> bool:
    """Return whether a character is white space, a control or format character, or no character at all."""
    return letter not in _JOINERS and (letter.isspace() or unicodedata.category(letter) in _NOT_PRINTED)


def _e164(text: str) -> str | None:
    """Return a phone number in E.164; None if it is not an international number of an assigned country code."""
    trimmed = _trimmed(text)
    if len(trimmed) > _MAX_NUMBER_CHARACTERS or not _INTERNATIONAL.fullmatch(trimmed):
        return None
    written, formatted = "", _format_number(trimmed.removeprefix("tel:"))
    while formatted not in (None, written):  # a national prefix may have been written twice
        written, formatted = formatted or "", _format_number(formatted or "")
    return formatted if formatted and _E164.fullmatch(formatted) else None


def _format_number(text: str) -> str | None:
    # Imported here, because that takes 30 ms, for which short commands and workflows need not wait.
    import phonenumbers

    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _doubt(channel: str, text: str) -> str | None:
    """Return why messages to an address of the right form will hardly arrive; a provider may know better."""
    if channel == "email":
        domain = (_mailbox(text) or "").rpartition("@")[2]
        return None if "." in domain else "the domain has no dot"
    import phonenumbers

    number = phonenumbers.parse(_e164(text) or "")
    return None if phonenumbers.is_possible_number(number) else "no number of that country has so many digits"
