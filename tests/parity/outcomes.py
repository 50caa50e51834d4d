"""What a story came to, in one form for `simulate` and for production, and what the two legitimately know differently.

`Outcomes` has the objects that `simulate --json` prints (design 8) and three things that both keep without printing
them: deliveries, receipts, and the interactions that sending makes. Where the two differ by design, this module alone
evens it out:

1. **Made ids are opaque.** They are hashes over surrogate user keys and order ids in production, and over the users'
   own ids in a simulation. `MadeIds` replaces each by the interaction that it is: type, target, letter and time.
2. **No order within one instant.** Objects, and the channels of one follow-up, are compared as sets that count.
3. **An order takes effect after everything that was received at its instant**, in production by a microsecond
   (guarantee 1). Instants are compared to the millisecond.
4. **A refusal that a late arrival undoes** (T5) is struck out in a simulation; production keeps the row of the refusal
   beside the follow-up that the trigger began after all, and the ended row of a follow-up beside the one that its
   trigger began anew. `last_of_each_trigger` keeps what came last.
5. **A repeated interaction, or one older than the log, is not logged**, so production has no row of it: it answers
   `duplicate` or `invalid`. A simulation prints a refusal for every live follow-on that the item would trigger, and so
   does `Production` for every item that is answered so.
6. **A late exception** is a row of the exception in production and an object of the follow-up in a simulation. Both
   know the follow-on, the user, the key and when it was noted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.rules.model.interactions import Interaction, LogEntry
from connector.rules.model.values import format_instant

Row = tuple[tuple[str, Any], ...]
"""One thing that is compared: its fields with their names, in one order."""

MADE = ("receive-", "enroll-", "conversion-")
"""How the ids of the interactions begin that sending, enrolling and counting make."""

_NOTED = ("campaign", "user", "key", "state", "reason", "decided_at", "exception")
_INSTANTS = ("triggered_at", "due_at", "decided_at")
_IDS = frozenset({"trigger", "exception"})


@dataclass
class Outcomes:
    """What a story came to. `refused` has the problems of the order at which it ended, where one was refused."""

    objects: Counter[Row] = field(default_factory=Counter)
    deliveries: Counter[Row] = field(default_factory=Counter)
    receipts: Counter[Row] = field(default_factory=Counter)
    made: Counter[Row] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def differences(self, other: Outcomes) -> list[str]:
        """One line for each thing that only one of the two has, `-` for those of this one and `+` for the other's."""
        lines = [f"- refused: {p}" for p in self.refused if p not in other.refused]
        lines += [f"+ refused: {p}" for p in other.refused if p not in self.refused]
        for name in ("objects", "deliveries", "receipts", "made"):
            mine, theirs = getattr(self, name), getattr(other, name)
            lines += [f"- {name}: {_words(row)}" for row in (mine - theirs).elements()]
            lines += [f"+ {name}: {_words(row)}" for row in (theirs - mine).elements()]
        return sorted(lines, key=lambda line: line[2:])


class MadeIds:
    """The made interactions of one run, so that made ids can be named by what they are.

    Args:
        logs: each user's log, by the user's id.
    """

    def __init__(self, logs: Mapping[str, Iterable[LogEntry]]) -> None:
        self._made = {e.id: (user, e) for user, log in logs.items() for e in log if e.id.startswith(MADE)}

    def name(self, id: str | None) -> str | None:
        """The id itself if a service gave it, else a description of the interaction."""
        _, entry = self._made.get(id or "", (None, None))
        if entry is None or not isinstance(entry.item, Interaction):
            return id
        letter = entry.item.properties.get("conversion", "")
        return f"({entry.item.type.value}{letter} of {entry.item.target} at {rounded(entry.t)})"

    def rows(self) -> Counter[Row]:
        """Every made interaction."""
        return Counter(
            row(id=self.name(id), user=user, received_at=rounded(entry.received_at))
            for id, (user, entry) in self._made.items()
        )


def row(**fields: Any) -> Row:
    """These fields as one thing to compare."""
    return tuple(fields.items())


def rounded(instant: datetime | None) -> str | None:
    """An instant to the millisecond, as the contract writes it."""
    return None if instant is None else format_instant(instant.replace(microsecond=instant.microsecond // 1000 * 1000))


def _rounded_text(instant: str | None) -> str | None:
    return None if instant is None else rounded(datetime.fromisoformat(instant))


def printed_object(
    *,
    campaign: str,
    user: str,
    trigger: str,
    key: str,
    triggered_at: datetime,
    state: str,
    reason: str | None,
    decided_at: datetime | None,
    due_at: datetime | None = None,
    channels: Sequence[str] = (),
    exception: str | None = None,
) -> dict[str, Any]:
    """Return what production knows as the object that `simulate --json` prints (design 8)."""
    printed = {
        "campaign": campaign,
        "user": user,
        "trigger": trigger,
        "key": json.loads(key) if key else None,
        "triggered_at": format_instant(triggered_at),
        "due_at": format_instant(due_at),
        "state": state,
        "reason": reason,
        "decided_at": format_instant(decided_at),
        "channels": channels,
    }
    return {**printed, "exception": exception} if state in ("excepted", "noted") else printed


def object_row(printed: Mapping[str, Any], made: MadeIds) -> Row:
    """One object as `simulate --json` prints it, with the ids named and the channels in one order."""
    fields = dict(printed)
    for name in _INSTANTS:
        fields[name] = _rounded_text(printed[name])
    for name in _IDS & fields.keys():
        fields[name] = made.name(printed[name])
    fields["channels"] = sorted(printed["channels"])
    names = _NOTED if printed["state"] == "noted" else tuple(fields)
    return tuple((name, _plain(fields[name])) for name in names)


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict) else value


def _words(row: Row) -> str:
    return " ".join(f"{name}={value}" for name, value in row)
