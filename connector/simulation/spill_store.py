"""Where a simulation keeps what it need not hold in memory: ids seen, users who wait for nothing, and its lines.

A temporary SQLite file, spoken to by the standard library: SQLAlchemy's Core costs ten times a statement here, and
the file is nobody else's.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from types import TracebackType

from connector.rules.model.users import User
from connector.simulation.users import SimulatedUser

_TABLES = (
    "CREATE TABLE seen (id TEXT PRIMARY KEY, day INTEGER) WITHOUT ROWID",
    "CREATE TABLE people (id TEXT PRIMARY KEY, person BLOB) WITHOUT ROWID",
    "CREATE TABLE lines (place INTEGER PRIMARY KEY, line TEXT)",
)
_IDS_AT_HAND = 200_000
_LINES_AT_HAND = 10_000


class SpillStore:
    """The scratch file of one run. Use it as a context manager.

    Args:
        in_memory: how many users who wait for nothing are kept at hand.
    """

    def __init__(self, *, in_memory: int = 20_000) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # SQLite's own temporary file, gone when it is closed
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._file.execute(f"PRAGMA {pragma}")
        for table in _TABLES:
            self._file.execute(table)
        self._file.execute("BEGIN")
        self._at_hand: OrderedDict[str, SimulatedUser] = OrderedDict()
        self._limit = in_memory
        self._recent: dict[str, int] = {}
        self._has_spilled = False
        self._lines: dict[int, str] = {}
        self._place = 0

    def __enter__(self) -> SpillStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_new(self, id: str, day: int, kept: int) -> bool:
        """Whether an interaction id was not seen in the last `kept` days, and is from now on (M6).

        Args:
            day: the number of the day on which it arrives; days never go back.
        """
        seen_on = self._recent.get(id)
        if seen_on is None and self._has_spilled:
            row = self._file.execute("SELECT day FROM seen WHERE id = ?", (id,)).fetchone()
            seen_on = row[0] if row else None
        if seen_on is not None and seen_on >= day - kept:
            return False
        self._recent[id] = day
        if len(self._recent) >= _IDS_AT_HAND:
            self._spill_ids()
        return True

    def person(self, id: str) -> SimulatedUser:
        """What is known of a user; a bare one where nothing is."""
        person = self._at_hand.get(id)
        if person is not None:
            self._at_hand.move_to_end(id)
            return person
        row = self._file.execute("SELECT person FROM people WHERE id = ?", (id,)).fetchone()
        person = SimulatedUser(User(id=id)) if row is None else pickle.loads(row[0])  # noqa: S301 - we wrote it
        self._at_hand[id] = person
        if len(self._at_hand) > self._limit:
            self._put_away()
        return person

    def known(self) -> list[str]:
        """The ids of all users of whom anything is known, sorted."""
        put_away = (id for (id,) in self._file.execute("SELECT id FROM people"))
        return sorted({*self._at_hand, *put_away})

    def people(self) -> Iterator[SimulatedUser]:
        """Everybody who is at hand: all who wait are."""
        yield from list(self._at_hand.values())

    def write_line(self, line: str) -> int:
        """Keep a line that is to be printed, and return its place."""
        self._place += 1
        self._lines[self._place] = line
        if len(self._lines) >= _LINES_AT_HAND:
            self._spill_lines()
        return self._place

    def remove_line(self, place: int) -> None:
        """What it said has turned out otherwise."""
        if self._lines.pop(place, None) is None:
            self._file.execute("DELETE FROM lines WHERE place = ?", (place,))

    def lines(self) -> Iterator[str]:
        """What is to be printed, in order."""
        self._spill_lines()
        for (line,) in self._file.execute("SELECT line FROM lines ORDER BY place"):
            yield line

    def _spill_ids(self) -> None:
        self._file.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", self._recent.items())
        self._recent.clear()
        self._has_spilled = True

    def _spill_lines(self) -> None:
        self._file.executemany("INSERT INTO lines VALUES (?, ?)", self._lines.items())
        self._lines.clear()

    def _put_away(self) -> None:
        """Write the half that was asked for longest ago to the file, but nobody who waits."""
        oldest = [person for person in list(self._at_hand.values())[: self._limit // 2] if not person.waits]
        rows = [(person.user.id, pickle.dumps(person)) for person in oldest]
        self._file.executemany("INSERT OR REPLACE INTO people VALUES (?, ?)", rows)
        for person in oldest:
            del self._at_hand[person.user.id]
        if len(oldest) < self._limit // 4:
            self._limit *= 2  # those who wait need the room
