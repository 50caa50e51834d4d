"""Why PostgreSQL refuses a connection: one row per cause, with its outage, its SQLSTATE and the way out.

A connection that fails has no SQLSTATE in libpq's interface, so libpq's message decides. If the server writes its
messages in another language, the advice is that of the outage, and the message is shown as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.store.engine.outages import ADVICE, Outage

_URL = "CONNECTOR_DATABASE_URL"
_PROVISIONING = "create it, or correct it in " + _URL


@dataclass(frozen=True)
class Refusal:
    """One cause.

    Args:
        sqlstate: that of the server's error; None: the client found the cause, so that there is none.
        is_permanent: it lasts until somebody changes a setting, so that a process need not start.
    """

    outage: Outage
    advice: str
    sqlstate: str | None = None
    is_permanent: bool = False


def _permanent(advice: str, sqlstate: str | None = None) -> Refusal:
    return Refusal(Outage.UNREACHABLE, advice, sqlstate, is_permanent=True)


def _passing(outage: Outage, sqlstate: str | None = None) -> Refusal:
    return Refusal(outage, ADVICE[outage], sqlstate)


_USER = f"the user or its password is wrong: correct them in {_URL}"
_NO_USER = f"the user does not exist or may not log in: {_PROVISIONING}"
_METHOD = f"the server refuses this way to log in: correct the user in {_URL}, or its line in pg_hba.conf"
_NO_ENTRY = (
    f"pg_hba.conf does not admit this user, database, address or encryption: correct {_URL} (`sslmode=require` if only "
    "encrypted connections are admitted), or add a line to pg_hba.conf"
)
_DATABASE = f"the database does not exist on this server: {_PROVISIONING}"
_CONNECT = "the user may not connect to this database: `GRANT CONNECT ON DATABASE NAME TO USER`"
_CERTIFICATE = (
    f"the server's certificate is not trusted or is for another host: correct the host, `sslrootcert` or `sslmode` in "
    f"{_URL}"
)
_CLIENT_CERTIFICATE = f"the client certificate is missing or refused: correct `sslcert` and `sslkey` in {_URL}"
_TLS_FILES = f"a certificate or key file cannot be used: correct `sslrootcert`, `sslcert` or `sslkey` in {_URL}"
_NO_TLS = f"the server offers no TLS: switch it on there, or correct `sslmode` in {_URL}"
_PARAMETER = f"a parameter in {_URL} is not known or has a wrong value: correct it"
_STARTUP = (
    "a pooler does not pass on parameters of the session: use its session mode with `ignore_startup_parameters = "
    "options`, or connect to PostgreSQL directly"
)
_HOST = f"the host's name is not known: correct it in {_URL}, or look at the name service"
_PORT = f"nothing listens at this address: start PostgreSQL, or correct host and port in {_URL}"
_OTHER_PROGRAM = f"whatever listens at this address is not PostgreSQL: correct host and port in {_URL}"
_NETWORK = f"the network does not lead to this address: correct the host in {_URL}, or look at routes and firewalls"
_ROLE = (
    f"the server is not in the state that `target_session_attrs` in {_URL} asks for: the connector needs the primary"
)

REFUSALS: dict[str, Refusal] = {
    r"timeout expired|Connection timed out": _passing(Outage.SILENT),
    r"too many clients|connection slots|too many connections|no more connections allowed": _passing(
        Outage.NO_SLOTS, "53300"
    ),
    r"starting up|shutting down|not yet accepting|in recovery mode|pooler is shut": _passing(
        Outage.SHUTTING_DOWN, "57P03"
    ),
    r"session is read-only|server is in hot standby": _passing(Outage.READ_ONLY),
    r"password authentication failed|SASL authentication failed": _permanent(_USER, "28P01"),
    r"no password supplied": _permanent(_USER),
    r'role ".*" does not exist|no such user|role ".*" is not permitted to log in': _permanent(_NO_USER, "28000"),
    r"no pg_hba.conf entry|pg_hba.conf rejects|login rejected": _permanent(_NO_ENTRY, "28000"),
    r"valid client certificate|certificate authentication failed": _permanent(_CLIENT_CERTIFICATE, "28000"),
    r"alert (unknown ca|certificate required|bad certificate|handshake failure)": _permanent(_CLIENT_CERTIFICATE),
    r"(Peer|Ident|LDAP|PAM|GSSAPI|RADIUS|SSPI|OAuth bearer) authentication failed": _permanent(_METHOD, "28000"),
    r"channel binding|authentication method .* (is )?not|GSSAPI encryption required": _permanent(_METHOD),
    r"permission denied for database": _permanent(_CONNECT, "42501"),
    r'database ".*" does not exist|no such database': _permanent(_DATABASE, "3D000"),
    r"is not currently accepting connections|database does not allow connections": Refusal(
        Outage.UNREACHABLE, "the database accepts no connections: `ALTER DATABASE NAME ALLOW_CONNECTIONS true`", "55000"
    ),
    r"does not support SSL|SSL support is not compiled in|SSL is required": _permanent(_NO_TLS),
    r"certificate verify failed|does not match host name|could not get server's host name": _permanent(_CERTIFICATE),
    r"(root )?certificate (revocation list )?file|private key|could not load .*(certificate|key)": _permanent(
        _TLS_FILES
    ),
    r"unsupported startup parameter": _permanent(_STARTUP, "08P01"),
    r"unrecognized configuration parameter|invalid value for parameter": _permanent(_PARAMETER),
    r"invalid configuration parameter name": _permanent(_PARAMETER, "42602"),
    r"invalid connection option|invalid (sslmode|ssl\w*|\w+) value|weak sslmode|bad value for": _permanent(_PARAMETER),
    r"invalid (port number|integer value)|definition of service|service file": _permanent(_PARAMETER),
    r"could not match \d+ (port|host)": _permanent(_PARAMETER),
    r"server is not in hot standby|session is not read-only": Refusal(Outage.UNREACHABLE, _ROLE),
    r"failed to resolve host|could not translate host name": Refusal(Outage.UNREACHABLE, _HOST),
    r"Connection refused|\.s\.PGSQL\.\d+\" failed: (No such file|Permission)": Refusal(Outage.UNREACHABLE, _PORT),
    r"invalid response to SSL negotiation|expected authentication request": Refusal(Outage.UNREACHABLE, _OTHER_PROGRAM),
    r"Network is unreachable|No route to host|Host is down": Refusal(Outage.UNREACHABLE, _NETWORK),
}
"""By a pattern of the message, the first that is found: what ends by itself comes first, because several hosts may have
failed for several reasons. The messages are those of PostgreSQL 13 to 18 (libpq's
fe-connect.c, fe-auth.c and fe-secure-openssl.c; the server's auth.c, postinit.c and miscinit.c), of psycopg 3 and of
PgBouncer."""

_PATTERNS = [(re.compile(pattern), refusal) for pattern, refusal in REFUSALS.items()]
UNKNOWN = _passing(Outage.UNREACHABLE)


def find_refusal(message: str) -> Refusal:
    """Return the cause of a failed connection by libpq's message."""
    return next((refusal for pattern, refusal in _PATTERNS if pattern.search(message)), UNKNOWN)
