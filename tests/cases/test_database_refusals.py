"""Why a connection to PostgreSQL fails: every cause has its own way out, and the messages keep their secrets.

Sources of the messages: `libpq` is PostgreSQL's src/interfaces/libpq (fe-connect.c, fe-auth.c, fe-secure-common.c,
fe-secure-openssl.c), `server` its src/backend (libpq/auth.c, utils/init/postinit.c, utils/init/miscinit.c,
tcop/backend_startup.c, utils/misc/guc.c), with the SQLSTATE of the ereport there; `psycopg` is psycopg 3 (conninfo
attempts); `pgbouncer` is PgBouncer's src/client.c and src/objects.c.
"""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from connector.store.engine.failures import Failure, Place, describe_failure, find_outage
from connector.store.engine.outages import ADVICE, Outage
from connector.store.engine.postgresql_connection import SilentServer
from connector.store.engine.refusals import find_refusal

PLACE = Place.of(make_url("postgresql://app:s3cret@db.example:5433/shop"))

USER, NO_USER, ENTRY, METHOD = "password is wrong", "may not log in", "pg_hba.conf does not admit", "this way to log in"
DATABASE, TLS, CERT, CLIENT, FILES = (
    "database does not exist",
    "no TLS",
    "not trusted",
    "client certificate",
    "key file",
)
HOST, PORT, OTHER, NET, PARAMETER = "name is not known", "nothing listens", "not PostgreSQL", "network", "a parameter"
UP, PERMANENT, PASSING = Outage.UNREACHABLE, True, False

CAUSES = [
    ("psycopg", "failed to resolve host 'db': [Errno -2] Name or service not known", UP, None, HOST, PASSING),
    (
        "psycopg",
        "failed to resolve host 'db': [Errno -3] Temporary failure in name resolution",
        UP,
        None,
        HOST,
        PASSING,
    ),
    ("libpq", 'could not translate host name "db" to address: No address associated', UP, None, HOST, PASSING),
    ("libpq", "Connection refused\n\tIs the server running on that host", UP, None, PORT, PASSING),
    (
        "libpq",
        'connection to server on socket "/s/.s.PGSQL.5432" failed: No such file or directory',
        UP,
        None,
        PORT,
        PASSING,
    ),
    ("libpq", "received invalid response to SSL negotiation: H", UP, None, OTHER, PASSING),
    ("libpq", "expected authentication request from server, but received H", UP, None, OTHER, PASSING),
    ("libpq", "Network is unreachable", UP, None, NET, PASSING),
    ("libpq", "No route to host", UP, None, NET, PASSING),
    ("psycopg", "connection timeout expired", Outage.SILENT, None, "does not answer", PASSING),
    ("libpq", "timeout expired", Outage.SILENT, None, "does not answer", PASSING),
    ("server", 'FATAL:  password authentication failed for user "app"', UP, "28P01", USER, PERMANENT),
    ("pgbouncer", "FATAL:  SASL authentication failed", UP, "28P01", USER, PERMANENT),
    ("libpq", "fe_sendauth: no password supplied", UP, None, USER, PERMANENT),
    ("server", 'FATAL:  role "app" does not exist', UP, "28000", NO_USER, PERMANENT),
    ("server", 'FATAL:  role "app" is not permitted to log in', UP, "28000", NO_USER, PERMANENT),
    ("pgbouncer", "FATAL:  no such user: app", UP, "28000", NO_USER, PERMANENT),
    (
        "server",
        'FATAL:  no pg_hba.conf entry for host "::1", user "app", database "shop", SSL encryption',
        UP,
        "28000",
        ENTRY,
        PERMANENT,
    ),
    (
        "server",
        'FATAL:  no pg_hba.conf entry for host "::1", user "app", database "shop", no encryption',
        UP,
        "28000",
        "sslmode=require",
        PERMANENT,
    ),
    ("server", 'FATAL:  pg_hba.conf rejects connection for host "::1", user "app"', UP, "28000", ENTRY, PERMANENT),
    ("server", 'FATAL:  Peer authentication failed for user "app"', UP, "28000", METHOD, PERMANENT),
    ("server", 'FATAL:  Ident authentication failed for user "app"', UP, "28000", METHOD, PERMANENT),
    ("server", 'FATAL:  LDAP authentication failed for user "app"', UP, "28000", METHOD, PERMANENT),
    ("server", 'FATAL:  GSSAPI authentication failed for user "app"', UP, "28000", METHOD, PERMANENT),
    (
        "libpq",
        "channel binding is required, but server did not offer an authentication method that supports",
        UP,
        None,
        METHOD,
        PERMANENT,
    ),
    ("libpq", "GSSAPI encryption required but no credential cache", UP, None, METHOD, PERMANENT),
    ("server", 'FATAL:  database "shop" does not exist', UP, "3D000", DATABASE, PERMANENT),
    ("pgbouncer", "FATAL:  no such database: shop", UP, "3D000", DATABASE, PERMANENT),
    ("server", 'FATAL:  permission denied for database "shop"', UP, "42501", "GRANT CONNECT", PERMANENT),
    (
        "server",
        'FATAL:  database "shop" is not currently accepting connections',
        UP,
        "55000",
        "ALLOW_CONNECTIONS",
        PASSING,
    ),
    ("libpq", "server does not support SSL, but SSL was required", UP, None, TLS, PERMANENT),
    ("libpq", 'sslmode value "require" invalid when SSL support is not compiled in', UP, None, TLS, PERMANENT),
    ("libpq", "SSL error: certificate verify failed", UP, None, CERT, PERMANENT),
    ("libpq", 'server certificate for "db" does not match host name "db.example"', UP, None, CERT, PERMANENT),
    (
        "libpq",
        'server certificate for "db" (and 2 other names) does not match host name "x"',
        UP,
        None,
        CERT,
        PERMANENT,
    ),
    ("libpq", 'root certificate file "/root.crt" does not exist', UP, None, FILES, PERMANENT),
    ("libpq", 'could not read root certificate file "/root.crt": no certificate found', UP, None, FILES, PERMANENT),
    ("libpq", 'could not read certificate file "/client.crt": No such file', UP, None, FILES, PERMANENT),
    ("libpq", 'private key file "/client.key" has group or world access', UP, None, FILES, PERMANENT),
    ("libpq", 'certificate present, but not private key file "/client.key"', UP, None, FILES, PERMANENT),
    ("server", "FATAL:  connection requires a valid client certificate", UP, "28000", CLIENT, PERMANENT),
    ("server", 'FATAL:  certificate authentication failed for user "app"', UP, "28000", CLIENT, PERMANENT),
    ("libpq", "SSL error: tlsv13 alert certificate required", UP, None, CLIENT, PERMANENT),
    ("libpq", "SSL error: tlsv1 alert unknown ca", UP, None, CLIENT, PERMANENT),
    ("libpq", 'invalid sslmode value: "requird"', UP, None, PARAMETER, PERMANENT),
    ("libpq", 'invalid channel_binding value: "x"', UP, None, PARAMETER, PERMANENT),
    ("libpq", 'weak sslmode "require" may not be used with sslrootcert=system', UP, None, PARAMETER, PERMANENT),
    ("libpq", 'invalid connection option "sslmod"', UP, None, PARAMETER, PERMANENT),
    ("libpq", 'invalid port number: "99999"', UP, None, PARAMETER, PERMANENT),
    ("libpq", 'invalid integer value "x" for connection option "keepalives"', UP, None, PARAMETER, PERMANENT),
    ("libpq", "could not match 3 port numbers to 2 hosts", UP, None, PARAMETER, PERMANENT),
    ("libpq", 'definition of service "shop" not found', UP, None, PARAMETER, PERMANENT),
    ("psycopg", "bad value for connect_timeout: 'abc'", UP, None, PARAMETER, PERMANENT),
    ("server", 'FATAL:  unrecognized configuration parameter "nosuch"', UP, None, PARAMETER, PERMANENT),
    ("server", 'FATAL:  invalid value for parameter "search_path"', UP, None, PARAMETER, PERMANENT),
    (
        "pgbouncer",
        "FATAL:  unsupported startup parameter in options: lock_timeout",
        UP,
        "08P01",
        "session mode",
        PERMANENT,
    ),
    (
        "pgbouncer",
        "FATAL:  no more connections allowed (max_client_conn)",
        Outage.NO_SLOTS,
        "53300",
        "max_connections",
        PASSING,
    ),
    ("server", "FATAL:  sorry, too many clients already", Outage.NO_SLOTS, "53300", "max_connections", PASSING),
    (
        "server",
        'FATAL:  too many connections for database "shop"',
        Outage.NO_SLOTS,
        "53300",
        "max_connections",
        PASSING,
    ),
    ("server", "FATAL:  the database system is starting up", Outage.SHUTTING_DOWN, "57P03", "restarted", PASSING),
    ("server", "FATAL:  the database system is in recovery mode", Outage.SHUTTING_DOWN, "57P03", "restarted", PASSING),
    ("libpq", "session is read-only", Outage.READ_ONLY, None, "promote", PASSING),
    ("libpq", "server is in hot standby mode", Outage.READ_ONLY, None, "promote", PASSING),
    ("libpq", "session is not read-only", UP, None, "target_session_attrs", PASSING),
    ("libpq", "server is not in hot standby mode", UP, None, "target_session_attrs", PASSING),
]


@pytest.mark.parametrize(("message", "outage", "sqlstate", "advice", "is_permanent"), [row[1:] for row in CAUSES])
def test_causes(message: str, outage: Outage, sqlstate: str | None, advice: str, is_permanent: bool) -> None:
    """Each cause has its outage, its SQLSTATE, its own way out, and whether a restart would meet it again."""
    found = describe(psycopg.OperationalError(f"connection failed: {message}"))
    assert (found.outage, found.sqlstate, found.is_permanent) == (outage, sqlstate, is_permanent)
    assert advice in found.advice


def describe(error: psycopg.Error, statement: str | None = None, place: Place = PLACE) -> Failure:
    """Describe a driver's error as SQLAlchemy raises it."""
    wrapped = DBAPIError.instance(statement, {}, error, psycopg.Error)
    assert isinstance(wrapped, DBAPIError)
    return describe_failure(wrapped, find_outage(wrapped) or Outage.UNREACHABLE, place)


def test_a_message_in_another_language() -> None:
    """The server's words are shown; the advice is that of an unreachable database, and nothing ends the start."""
    found = find_refusal("FATAL:  Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen")
    assert (found.outage, found.is_permanent) == (Outage.UNREACHABLE, False)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            'connection failed: connection to server at "db", port 1 failed: FATAL:  database "shop" does not exist',
            'db.example:5433/shop: database "shop" does not exist (SQLSTATE 3D000)',
        ),
        (
            'connection to server at "a", port 1 failed: Connection refused\n\tIs the server running',
            "db.example:5433/shop: Connection refused",
        ),
        (
            'connection failed: connection to server at "a", port 1 failed: Connection refused\n'
            "Multiple connection attempts failed. All failures were:\n"
            "- host: 'a', port: '1', hostaddr: '::1': connection failed: connection to server at \"a\", port 1 failed: "
            "Connection refused\n- host: 'b', port: '2', hostaddr: '::1': connection timeout expired",
            "db.example:5433/shop: a:1: Connection refused; b:2: connection timeout expired",
        ),
    ],
)
def test_reasons_are_one_line(message: str, reason: str) -> None:
    """Host, port and database, then the words of the server without libpq's frame, then the SQLSTATE."""
    assert describe(psycopg.OperationalError(message)).detail == reason


def test_errors_of_statements() -> None:
    """A missing privilege names the object and its SQLSTATE, and ends the start; a full disk does not."""
    denied = describe(errors.InsufficientPrivilege("permission denied for schema public"), "CREATE TABLE t ()")
    assert (denied.outage, denied.sqlstate, denied.is_permanent) == (Outage.DENIED, "42501", True)
    assert denied.detail == "db.example:5433/shop: permission denied for schema public (SQLSTATE 42501)"
    full = describe(errors.DiskFull("no space left"), "INSERT")
    assert (full.outage, full.sqlstate, full.is_permanent) == (Outage.DISK_FULL, "53100", False)


def test_a_connection_that_we_closed_is_no_refusal() -> None:
    """A server that falls silent, in a statement or in a commit, has one way out, and so is one line of the log."""
    for statement in ("SELECT 1", None):
        silent = describe(SilentServer("the server did not answer before the deadline"), statement)
        assert (silent.outage, silent.advice) == (Outage.SILENT, ADVICE[Outage.SILENT])


@pytest.mark.parametrize(
    ("url", "place", "message"),
    [
        ("postgresql://app:s3cret@db:1/shop", "db:1/shop", 'missing "=" after "s3cret"'),
        ("postgresql://app:p%40ss%2Fw@db:1/shop", "db:1/shop", "bad: postgresql://app:p%40ss%2Fw@db (p@ss/w)"),
        ("postgresql://app@db/shop?password=s3cret&sslpassword=t0p", "db/shop", "s3cret or t0p"),
        ("postgresql://app:s3cret@/shop?host=a:1&host=b:2", "a:1,b:2/shop", "s3cret"),
        ("postgresql://app:s3cret@/shop?host=a,b&port=1,2", "a,b:1,2/shop", "s3cret"),
        ("postgresql://app:s3cret@/shop?host=/run/pg", "/run/pg/shop", "s3cret"),
        ("postgresql://shop:shop@db/shop", "db/shop", "no secret: it is the name as well"),
    ],
)
def test_secrets_are_hidden(url: str, place: str, message: str) -> None:
    """No password of the URL is in a message, neither as it is nor percent-encoded."""
    found = describe(psycopg.OperationalError(message), place=Place.of(make_url(url)))
    assert str(found.place) == place
    for secret in ("s3cret", "p@ss/w", "p%40ss%2Fw", "t0p"):
        assert secret not in str(found.as_error())
        assert secret not in str(found.fields)
