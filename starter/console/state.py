"""What the console works with: one object for the whole process, and what a page knows about its viewer."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from connector.app.context import AppContext
from connector.rules.model.api_keys import Scope
from connector.rules.model.audit import Actor, ActorKind
from starter.api.access.callers import Caller, Keys, unauthorized
from starter.api.access.scopes import check_scopes
from starter.console.polling import Polling
from starter.console.sessions import Session, Sessions

_log = structlog.get_logger("console")


@dataclass(frozen=True)
class Console:
    """The objects that all pages share.

    Args:
        open_session: the session of everybody on loopback in `connector dev`; None: people sign in.
    """

    context: AppContext
    keys: Keys
    sessions: Sessions
    polling: Polling
    open_session: Session | None = None

    async def renew(self, session: Session) -> Caller:
        """Check the key of a session again, and return its owner with today's scopes.

        Raises:
            ApiError: 401, the session is over: the key was revoked or has expired, or somebody signed out.
        """
        if session.ended.is_set():
            raise unauthorized("the sign-in is over", "sign in again")
        caller = await self.keys.renew(session.caller, session.presented)
        if caller is None:
            self.sessions.end(session)
            _log.info("console_session_ended", key=session.caller.id, why="the key is no longer valid")
            raise unauthorized("the key is no longer valid", "sign in with another key")
        session.caller = caller
        return caller

    async def end_invalid_sessions(self) -> None:
        """End the sessions that are over and those of revoked keys."""
        for session in self.sessions.end_expired():
            _log.info("console_session_ended", key=session.caller.id, why="idle or over")
        for session in self.sessions:
            if await self.keys.renew(session.caller, session.presented) is None:
                self.sessions.end(session)
                _log.info("console_session_ended", key=session.caller.id, why="the key is no longer valid")


@dataclass(frozen=True)
class Viewer:
    """The person in front of one open page."""

    console: Console
    session: Session
    origin: str | None

    @property
    def context(self) -> AppContext:
        """The context that operations take."""
        return self.console.context

    def may(self, scope: Scope) -> bool:
        """Whether the page should offer what needs this scope; `actor` checks it again when it is used."""
        return self.session.caller.has_scope(scope)

    async def actor(self, *scopes: Scope) -> Actor:
        """Check the key and its scopes now, count the request, and return the actor for the audit trail.

        Every action of a page begins with it, whatever the page offered when it was built.

        Raises:
            ApiError: 401, 403 that names the missing scopes, or 429.
        """
        caller = await self.console.renew(self.session)
        check_scopes(caller, *scopes)
        self.console.keys.count_request(caller)
        self.console.sessions.use(self.session)
        kind = ActorKind.ANONYMOUS if caller.id is None else ActorKind.CONSOLE
        return Actor(kind, caller.id, origin=self.origin)
