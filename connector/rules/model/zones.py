"""Time zones by their IANA names."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_OF_THE_MACHINE = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""Files beside the zones of some systems: the machine's own zone, and zones that count leap seconds."""
_MIN_SIMILARITY = 0.85
"""High, because the name of another zone is worse than none."""


def check_zone(name: str) -> str:
    """Return `name` if it is an IANA time zone. Raises ValueError with an example otherwise."""
    try:
        if name.startswith(_OF_THE_MACHINE):
            raise KeyError(name)
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        meant = _zone_like(name)
        right = f"did you mean {meant}?" if meant else "write one like Europe/Berlin"
        raise ValueError(f"{name!r} is not an IANA time zone; {right}") from error
    return name


def _zone_like(name: str) -> str | None:
    """Return the time zone of a city that was named alone, or the one that was misspelt.

    None for names with digits: in Etc/GMT+1 the sign means the opposite of what GMT+1 usually does.
    """
    if any(letter.isdigit() for letter in name):
        return None
    zones = zone_names()
    city = name.casefold().replace(" ", "_")
    of_city = next((zone for zone in zones if zone.casefold().endswith(f"/{city}")), None)
    return of_city or next(iter(get_close_matches(name, zones, 1, _MIN_SIMILARITY)), None)


@cache
def zone_names() -> tuple[str, ...]:
    """Return the IANA names of the installed time zone database."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return tuple(name for name in names if not name.startswith(_OF_THE_MACHINE))
