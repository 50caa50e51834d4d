"""A real PostgreSQL that refuses: each wrong setting ends the start of API and worker with its own sentence."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from bench.databases import find_binaries
from connector.health.checks import CheckName
from connector.health.probe import Probe
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from connector.store.engine.outages import Outage, StoreUnavailable
from connector.store.engine.revision import NEWEST_REVISION, WrongTables
from connector.temporal.client import TemporalLink
from starter.api.server import serve
from tests.support.databases import PostgreSQL, migrate_database
from worker import run_worker

PASSWORD = "s3cret-password"
HBA = "local all all trust\nhostssl all tls 127.0.0.1/32 scram-sha-256\nhost all app,owner 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[PostgreSQL]:
    """A server with passwords: `app` may use the tables of `shop`, but not create any."""
    if (binaries := find_binaries()) is None:
        pytest.skip("no PostgreSQL server binaries (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin")
    started = PostgreSQL(binaries, port=port)
    try:
        for role in ("app", "tls", "owner"):
            started.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        for name in ("shop", "empty"):
            started.execute(f"CREATE DATABASE {name} OWNER owner")
        (started.folder / "data" / "pg_hba.conf").write_text(HBA)
        started.execute("SELECT pg_reload_conf()")
        migrate_database(f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/shop")
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize(
    ("url", "sentence", "is_permanent"),
    [
        ("postgresql://app:PASSWORD@no-such-host.invalid:PORT/shop", "the host's name is not known", False),
        ("postgresql://app:PASSWORD@127.0.0.1:1/shop", "nothing listens at this address", False),
        ("postgresql://app:wrong@127.0.0.1:PORT/shop", "its password is wrong", True),
        ("postgresql://app@127.0.0.1:PORT/shop", "its password is wrong", True),
        ("postgresql://tls:PASSWORD@127.0.0.1:PORT/shop", "`sslmode=require` if only encrypted", True),
        ("postgresql://app:PASSWORD@127.0.0.1:PORT/shopp", "the database does not exist", True),
        ("postgresql://app:PASSWORD@127.0.0.1:PORT/shop?sslmode=require", "the server offers no TLS", True),
        (
            "postgresql://app:PASSWORD@127.0.0.1:PORT/shop?sslmode=requird",
            "a parameter in CONNECTOR",
            True,
        ),
        ("postgresql://app:PASSWORD@127.0.0.1:PORT/shop?sslmod=require", "a parameter in CONNECTOR", True),
    ],
)
async def test_wrong_settings_are_told_apart(
    server: PostgreSQL, port: int, url: str, sentence: str, is_permanent: bool
) -> None:
    """One sentence with the way out, the place and the server's words, without the password."""
    database = Database.open(url.replace("PASSWORD", PASSWORD).replace("PORT", str(port)))
    with pytest.raises(StoreUnavailable) as caught:
        async with database.read("default"):
            pass
    await database.close()
    assert sentence in str(caught.value)
    assert caught.value.is_permanent is is_permanent
    assert caught.value.outage is Outage.UNREACHABLE
    assert "/shop" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["api", "worker"])
async def test_wrong_settings_end_the_start(server: PostgreSQL, port: int, what: str) -> None:
    """A fault that a restart would meet again ends the process with exit code 1 and one sentence."""
    settings = Settings(
        dev=True, database_url=SecretStr(f"postgresql://app:wrong@127.0.0.1:{port}/shop"), _env_file=None
    )
    start = serve(settings, "127.0.0.1", 0, asyncio.Event()) if what == "api" else run_worker(settings, asyncio.Event())
    with pytest.raises(StoreUnavailable, match="28P01"):
        await start


async def test_a_missing_privilege_is_one_sentence(server: PostgreSQL, port: int) -> None:
    """Missing privileges are named: to create tables during set-up, and to read a table, by its name."""
    url = f"postgresql://app:{PASSWORD}@127.0.0.1:{port}"
    empty = Database.open(f"{url}/empty")
    with pytest.raises(StoreUnavailable, match=r"permission denied for schema public .SQLSTATE 42501") as caught:
        await migrate(empty)
    await empty.close()
    assert (caught.value.outage, caught.value.is_permanent) == (Outage.DENIED, True)
    shop = Database.open(f"{url}/shop")
    with pytest.raises(StoreUnavailable, match="permission denied for table alembic_version"):
        async with shop.read("default") as tx:
            await tx.execute(text("SELECT version_num FROM alembic_version"))
    found = await Probe(shop, CatalogueCache(), "default", TemporalLink()).read_now(10)
    await shop.close()
    assert found.outage is Outage.DENIED
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO app", name="shop")
    shop = Database.open(f"{url}/shop")
    found = await Probe(shop, CatalogueCache(), "default", TemporalLink()).read_now(10)
    await shop.close()
    writable = next(check for check in found.failed if check.name is CheckName.WRITABLE)
    assert "GRANT it SELECT, INSERT" in str(writable.problem)
    assert str(writable.detail).startswith("it lacks a privilege on ")


async def test_tables_of_a_later_version(server: PostgreSQL, port: int) -> None:
    """`connector setup` changes nothing, and says so in one sentence instead of alembic's traceback."""
    database = Database.open(f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/shop")
    known = server.execute("SELECT oldest_program FROM compatibility", name="shop")[0][0]
    server.execute("UPDATE alembic_version SET version_num = '9000'", name="shop")
    server.execute("UPDATE compatibility SET oldest_program = '9000'", name="shop")
    try:
        with pytest.raises(WrongTables, match="revision 9000, newer than this program, which knows"):
            await migrate(database)
    finally:
        server.execute(f"UPDATE alembic_version SET version_num = '{NEWEST_REVISION}'", name="shop")
        server.execute(f"UPDATE compatibility SET oldest_program = '{known}'", name="shop")
        await database.close()
