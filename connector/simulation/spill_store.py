"""Store what a simulation need not hold in memory: known ids, users without open follow-ups, and the output lines.

A temporary SQLite file, used through the standard library: SQLAlchemy Core costs ten times as much per statement here.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from types import TracebackType

from connector.rules.model.users import User
from connector.simulation.sort_keys import SortKey
from connector.simulation.users import SimulatedUser

_TABLES = (
    "CREATE TABLE seen (user TEXT, id TEXT, day INTEGER, PRIMARY KEY (user, id)) WITHOUT ROWID",
    "CREATE TABLE users (id TEXT PRIMARY KEY, pickled BLOB) WITHOUT ROWID",
    "CREATE TABLE lines (position INTEGER PRIMARY KEY, sort_key BLOB, line TEXT)",
)
MAX_USERS_IN_MEMORY = 20_000
MAX_IDS_IN_MEMORY = 200_000
_MAX_LINES_IN_MEMORY = 10_000


class SpillStore:
    """The temporary file of one run, used as a context manager.

    Args:
        max_users_in_memory: of users without open follow-ups; the limit grows if too many have some.
        max_ids_in_memory: of interactions.
    """

    def __init__(
        self, *, max_users_in_memory: int = MAX_USERS_IN_MEMORY, max_ids_in_memory: int = MAX_IDS_IN_MEMORY
    ) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # SQLite deletes it when it is closed
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._file.execute(f"PRAGMA {pragma}")
        for table in _TABLES:
            self._file.execute(table)
        self._file.execute("BEGIN")
        self._users: OrderedDict[str, SimulatedUser] = OrderedDict()
        self._max_users, self._max_ids = max_users_in_memory, max_ids_in_memory
        self._new_ids: dict[tuple[str, str], int] = {}
        self._has_spilled_ids = False
        self._lines: dict[int, tuple[SortKey, str]] = {}
        self._last_line = 0

    def __enter__(self) -> SpillStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def last_seen(self, user: str, id: str) -> int | None:
        """Return the ordinal of the day on which a user's interaction id was remembered; None if it never was (M6)."""
        seen_on = self._new_ids.get((user, id))
        if seen_on is None and self._has_spilled_ids:
            row = self._file.execute("SELECT day FROM seen WHERE user = ? AND id = ?", (user, id)).fetchone()
            seen_on = row[0] if row else None
        return seen_on

    def remember(self, user: str, id: str, day: int) -> None:
        """Remember a user's interaction id, and the ordinal of the day on which it arrives; days never go back."""
        self._new_ids[user, id] = day
        if len(self._new_ids) >= self._max_ids:
            self._spill_ids()

    def load_user(self, id: str) -> SimulatedUser:
        """Return the state of a user; a new one if there is none."""
        user = self._users.get(id)
        if user is not None:
            self._users.move_to_end(id)
            return user
        row = self._file.execute("SELECT pickled FROM users WHERE id = ?", (id,)).fetchone()
        user = SimulatedUser(User(id=id)) if row is None else pickle.loads(row[0])  # noqa: S301 - our own file
        self._users[id] = user
        if len(self._users) > self._max_users:
            self._spill_users()
        return user

    def user_ids(self) -> list[str]:
        """Return the ids of all users, sorted."""
        spilled = (id for (id,) in self._file.execute("SELECT id FROM users"))
        return sorted({*self._users, *spilled})

    def write_line(self, line: str, sort_key: SortKey) -> int:
        """Store an output line and the sort key of its event, and return its position."""
        self._last_line += 1
        self._lines[self._last_line] = sort_key, line
        if len(self._lines) >= _MAX_LINES_IN_MEMORY:
            self._spill_lines()
        return self._last_line

    def remove_line(self, position: int) -> None:
        """Remove an output line."""
        if self._lines.pop(position, None) is None:
            self._file.execute("DELETE FROM lines WHERE position = ?", (position,))

    def lines(self) -> Iterator[str]:
        """Yield the output lines in order."""
        return (line for _, line in self.lines_with_sort_keys())

    def lines_with_sort_keys(self) -> Iterator[tuple[SortKey, str]]:
        """Yield the output lines in order, each with the sort key of its event."""
        self._spill_lines()
        yield from self._file.execute("SELECT sort_key, line FROM lines ORDER BY position")

    def _spill_ids(self) -> None:
        rows = ((*key, day) for key, day in self._new_ids.items())
        self._file.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
        self._new_ids.clear()
        self._has_spilled_ids = True

    def _spill_lines(self) -> None:
        rows = ((position, *line) for position, line in self._lines.items())
        self._file.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
        self._lines.clear()

    def _spill_users(self) -> None:
        """Write the least recently used half to the file, except users with open follow-ups."""
        oldest = list(self._users.values())[: self._max_users // 2]
        spilled = [user for user in oldest if not user.has_open_follow_ups]
        rows = [(user.id, pickle.dumps(user)) for user in spilled]
        self._file.executemany("INSERT OR REPLACE INTO users VALUES (?, ?)", rows)
        for user in spilled:
            del self._users[user.id]
        if len(spilled) < self._max_users // 4:
            self._max_users *= 2  # users with open follow-ups need the room
