"""What a driver's error says: the outage, the way out, and where and why, without passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from connector.store.engine.outages import ADVICE, Outage, StoreUnavailable, classify
from connector.store.engine.refusals import find_refusal

_CONNECTION_ERRORS = (InterfaceError, OperationalError, ProgrammingError)
_MAX_REASON_CHARACTERS = 400
_SECRET_PARAMETERS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_PREFIXES = re.compile(
    r'connection (failed|is bad): |connection to server (at|on socket) "[^"]*"[^:]* failed: |(FATAL|ERROR):\s+'
)
_HOST_FAILURE = re.compile(r"^- host: '([^']*)', port: '([^']*)'.*?: (connection .*)$", re.MULTILINE)
_HINTS = re.compile(r"\s*(Is the server running|Multiple connection attempts failed|Either provide the file|HINT:)")
_HIDDEN = "***"


@dataclass(frozen=True)
class Place:
    """Where the database is: host, port and database of its URL, and the secrets that no text may quote."""

    host: str
    port: str
    database: str
    secrets: frozenset[str]

    @classmethod
    def of(cls, url: URL) -> Place:
        """Read it from the URL; several hosts are joined by commas."""
        hosts, ports = (url.query.get(name, ()) for name in ("host", "port"))
        host = url.host or (hosts if isinstance(hosts, str) else ",".join(hosts))
        port = str(url.port or "") or (ports if isinstance(ports, str) else ",".join(ports))
        known = {host, url.username, url.database, None, ""}
        values = [url.password, *(url.query.get(name) for name in _SECRET_PARAMETERS)]
        secrets = {str(value) for value in values if value not in known}
        return cls(host, port, url.database or "", frozenset(secrets))

    def __str__(self) -> str:
        """Return HOST:PORT/DATABASE, for SQLite the file."""
        address = f"{self.host}:{self.port}" if self.port else self.host
        return f"{address}/{self.database}" if address else self.database

    def hide_secrets(self, text: str) -> str:
        """Return a text without the secrets, as they are or percent-encoded, the longest first."""
        forms = {form for secret in self.secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _HIDDEN)
        return text


@dataclass(frozen=True)
class Failure:
    """Why the database cannot be used.

    Args:
        reason: the driver's or the server's words, in one line.
        is_permanent: it lasts until somebody changes a setting or grants a privilege.
    """

    outage: Outage
    advice: str
    place: Place
    reason: str
    sqlstate: str | None = None
    is_permanent: bool = False

    @property
    def detail(self) -> str:
        """The place and the reason, with the SQLSTATE if there is one."""
        return f"{self.place}: {self.reason}" + (f" (SQLSTATE {self.sqlstate})" if self.sqlstate else "")

    def as_error(self) -> StoreUnavailable:
        """Return the error to raise."""
        message = f"the database cannot be used now ({self.outage}): {self.advice} [{self.detail}]"
        return StoreUnavailable(
            message, self.outage, advice=self.advice, detail=self.detail, is_permanent=self.is_permanent
        )

    @property
    def fields(self) -> dict[str, str | None]:
        """The fields of the log's line."""
        place = self.place
        return {
            "host": place.host or None,
            "port": place.port or None,
            "database": place.database,
            "sqlstate": self.sqlstate,
            "error": self.reason,
        }


def find_outage(error: DBAPIError) -> Outage | None:
    """Return the outage that caused an error of the database; None: the statement caused it."""
    if (found := classify(error.orig)) is not None:
        return found
    return find_refusal(str(error.orig)).outage if _is_of_connecting(error) else None


def describe_failure(error: BaseException, outage: Outage, place: Place) -> Failure:
    """Describe an error of an outage; for a refused connection with the way out of its own cause."""
    cause = getattr(error, "orig", None) or error
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    words = "no answer before the deadline" if isinstance(cause, TimeoutError) else primary or str(cause)
    reason = place.hide_secrets(_in_one_line(words) or type(cause).__name__)
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    is_named = isinstance(getattr(cause, "outage", None), Outage)  # by our own connection, such as `SilentServer`
    if isinstance(error, DBAPIError) and sqlstate is None and not is_named and _is_of_connecting(error):
        refusal = find_refusal(str(cause))
        return Failure(outage, refusal.advice, place, reason, refusal.sqlstate, refusal.is_permanent)
    return Failure(outage, ADVICE[outage], place, reason, sqlstate, outage is Outage.DENIED)


def _is_of_connecting(error: DBAPIError) -> bool:
    """Whether connecting or committing raised it: then it has no statement."""
    return error.connection_invalidated or (error.statement is None and isinstance(error, _CONNECTION_ERRORS))


def _in_one_line(text: str) -> str:
    """Return the message of libpq without its hints and repetitions; of several hosts that of each."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _HINTS.match(line)]
    by_host = [f"{host}:{port}: {_strip(reason)}" for host, port, reason in _HOST_FAILURE.findall("\n".join(lines))]
    return "; ".join(dict.fromkeys(by_host or map(_strip, lines)))[:_MAX_REASON_CHARACTERS]


def _strip(line: str) -> str:
    return _PREFIXES.sub("", line)
