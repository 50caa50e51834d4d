"""A delivery's id as a tag for providers whose tags take letters, digits, dashes and underscores alone (SES, Resend).

Every other character, and the underscore, is written as an underscore and the two hexadecimal digits of each of its
bytes, so that the id can be read again. The ids that we make have a dot only: `1f…9a.email` is `1f…9a_2eemail`.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^A-Za-z0-9-]")


def to_tag(id: str) -> str:
    """The id in the letters of a tag."""
    return _PLAIN.sub(lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), id)


def from_tag(tag: str) -> str:
    """The id that `to_tag` wrote; what it did not write comes back as it is."""
    try:
        return re.sub(rb"_([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), tag.encode()).decode()
    except UnicodeError:
        return tag
