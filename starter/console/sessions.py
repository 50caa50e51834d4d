"""Sessions of signed-in people, in the memory of this process: a restart signs everybody out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from connector.rules.model.api_keys import PresentedKey
from starter.api.access.callers import Caller

SESSION = "console_session"
"""The key of the session in the state of a request."""
MAX_SESSIONS = 1_000
MAX_SESSIONS_OF_A_KEY = 50
MAX_SOCKETS_OF_A_SESSION = 30

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(eq=False)
class Session:
    """One sign-in.

    Args:
        caller: the owner of the key, with the scopes of the last check.
        presented: the id of the key and the digest of its secret, to check it again; None: it cannot be revoked.
        form_token: what the forms of this session carry.
        ended: set when the session ends, so that its open pages close.
    """

    caller: Caller
    presented: PresentedKey | None
    began_at: float
    used_at: float
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    sockets: int = 0


class Sessions:
    """The open sessions by the digest of their random id, so that a dump of the memory's keys opens none.

    Args:
        lifetime_seconds: a session ends so long after the sign-in.
        idle_seconds: a session ends so long after its last use.
        clock: monotonic seconds.
    """

    def __init__(self, lifetime_seconds: float, idle_seconds: float, clock: Clock = time.monotonic) -> None:
        self._lifetime, self._idle, self._clock = lifetime_seconds, idle_seconds, clock
        self._open: dict[bytes, Session] = {}
        self.on_end: Callable[[Session], None] | None = None
        """Called with each session that ends."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def begin(self, caller: Caller, presented: PresentedKey | None) -> tuple[str, Session]:
        """Begin a session; return the random id for its cookie, and the session. Too many end the least used ones."""
        self.end_expired()
        own = [session for session in self if session.caller.id == caller.id]
        for crowd, most in ((own, MAX_SESSIONS_OF_A_KEY), (list(self), MAX_SESSIONS)):
            if len(crowd) >= most:
                self.end(min(crowd, key=lambda session: session.used_at))
        id, now = secrets.token_urlsafe(32), self._clock()
        session = self._open[_digest(id)] = Session(caller, presented, began_at=now, used_at=now)
        return id, session

    def find(self, id: str) -> Session | None:
        """Return the open session with this id."""
        session = self._open.get(_digest(id))
        if session is not None and self._is_over(session):
            self.end(session)
            return None
        return session

    def use(self, session: Session) -> None:
        """Note that a person did something, which keeps an idle session open."""
        session.used_at = self._clock()

    def end(self, session: Session) -> None:
        """End a session and the pages that it has open."""
        self._open = {digest: kept for digest, kept in self._open.items() if kept is not session}
        session.ended.set()
        if self.on_end is not None:
            self.on_end(session)

    def end_expired(self) -> list[Session]:
        """End the sessions that are idle or over, and return them."""
        over = [session for session in self if self._is_over(session)]
        for session in over:
            self.end(session)
        return over

    def _is_over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.began_at >= self._lifetime or now - session.used_at >= self._idle


def _digest(id: str) -> bytes:
    return hashlib.sha256(id.encode(errors="replace")).digest()
