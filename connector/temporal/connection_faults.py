"""Why Temporal cannot be used, in words: what the SDK's errors mean, and the setting that may be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from temporalio.service import RPCError, RPCStatusCode

from connector.rules.model.errors import ConnectorError

_log = structlog.get_logger("temporal")
_WARN_AFTER_SECONDS, _WARN_AGAIN_SECONDS = 30.0, 600.0
_CLOSED = (
    "it closes the connection: it may want TLS (TEMPORAL_TLS=true) or a certificate (TEMPORAL_TLS_CLIENT_CERT_PATH)"
)
_REASONS = {
    "ConnectionRefused": "nothing listens there",
    "dns error": "its name cannot be resolved",
    "InvalidContentType": "it does not speak TLS, which TEMPORAL_TLS, a certificate or TEMPORAL_API_KEY asks for",
    "UnknownIssuer": "the signer of its certificate is not trusted; set TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "NotValidForName": "its certificate is for another name; set TEMPORAL_TLS_SERVER_NAME, or the name as the address",
    "CaUsedAsEndEntity": "its certificate is signed by itself; set TEMPORAL_TLS_SERVER_CA_CERT_PATH to one that is not",
    "InvalidCertificate": "its certificate is not valid",
    "CertificateRequired": "it wants a client certificate: set TEMPORAL_TLS_CLIENT_CERT_PATH and ..._KEY_PATH",
    "AlertReceived": "it refuses the TLS handshake; it may want a certificate: set TEMPORAL_TLS_CLIENT_CERT_PATH",
    "Unauthenticated": "it refuses the credentials; check TEMPORAL_API_KEY",
    "PermissionDenied": "it does not allow this; check TEMPORAL_API_KEY and TEMPORAL_NAMESPACE",
    "NetworkUnreachable": "there is no route to it",
    "HostUnreachable": "there is no route to it",
    "h2 protocol error": "what answers is no Temporal server, or it wants TLS (TEMPORAL_TLS=true)",
    "Unimplemented": "what answers is no Temporal server",
    **dict.fromkeys(("BrokenPipe", "ConnectionReset", "UnexpectedEof", "connection closed", "stream closed"), _CLOSED),
    "timeout": "it does not answer",
    "deadline": "it does not answer",
}
"""By a part of the SDK's text, the first that occurs; the text is that of its core and has no codes."""

_MAX_TEXT_CHARACTERS = 200


def describe_connection_fault(error: BaseException) -> str:
    """Return why a connection to Temporal failed, in a few words for a log line or a message."""
    if (reason := find_connection_reason(error)) is not None:
        return reason
    text = f"{error.status.name}: {error.message}" if isinstance(error, RPCError) else str(error)
    return text[:_MAX_TEXT_CHARACTERS]


def find_connection_reason(error: BaseException) -> str | None:
    """Return why a connection to Temporal failed, without a name or an address; None: the error is another one."""
    if isinstance(error, RPCError):
        return _find_reason_of_answer(error.status)
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return next((reason for part, reason in _REASONS.items() if part in str(error)), None)


def describe_outage(error: Exception) -> str:
    """Return why work on Temporal and the database failed, for a log line: only texts without values of users."""
    if isinstance(error, ConnectorError):  # names the address or the database, and the reason
        return str(error)
    return describe_connection_fault(error) if isinstance(error, RPCError) else type(error).__name__


def _find_reason_of_answer(status: RPCStatusCode) -> str | None:
    """Return why the server refuses a call about its namespace; None: another status."""
    match status:
        case RPCStatusCode.NOT_FOUND:
            return "it has no such namespace; create it, or set TEMPORAL_NAMESPACE"
        case RPCStatusCode.UNAUTHENTICATED:
            return _REASONS["Unauthenticated"]
        case RPCStatusCode.PERMISSION_DENIED:
            return _REASONS["PermissionDenied"]
        case RPCStatusCode.DEADLINE_EXCEEDED:
            return "it does not answer"
        case _:
            return None


class ConnectionLog:
    """Logs that a process waits for Temporal: at once as information, because the server may only be starting.

    After half a minute it is a warning, which is repeated every ten minutes.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, address: str, namespace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._facts = {"address": address, "namespace": namespace}
        self._clock = clock
        self._failed_at: float | None = None
        self._warned_at: float | None = None

    def record_failure(self, error: BaseException) -> None:
        """Log an attempt to connect that failed, if it is time to."""
        now, reason = self._clock(), describe_connection_fault(error)
        if self._failed_at is None:
            self._failed_at = now
            _log.info("temporal_awaited", **self._facts, reason=reason)
        since = self._failed_at if self._warned_at is None else self._warned_at
        if now - since >= (_WARN_AFTER_SECONDS if self._warned_at is None else _WARN_AGAIN_SECONDS):
            self._warned_at = now
            _log.warning("temporal_unreachable", **self._facts, reason=reason, seconds=round(now - self._failed_at))

    def record_success(self) -> None:
        """Log that the wait has ended, if there was one."""
        if self._failed_at is not None:
            _log.info("temporal_reached", **self._facts, seconds=round(self._clock() - self._failed_at))
