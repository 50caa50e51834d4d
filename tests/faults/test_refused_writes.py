"""PostgreSQL that refuses to write: a standby before its promotion, a server set to read-only, a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.faults.conftest import StartServer
from tests.support.api_process import ApiProcess, api_process, logged_ids
from tests.support.databases import PostgreSQL, migrate_database
from tests.support.disks import fill, small_disk
from tests.support.events import accepts, post_events
from tests.support.polling import until


async def check_refuses(api: ApiProcess, outage: str) -> None:
    """Check that reports get 503, and that `/readyz` says why and what to do."""
    answer = await post_events(api.client, *(f"refused-{number}" for number in range(1000)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"].isdigit()
    ready = await api.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (503, "not_ready", outage)
    assert await api.metric("connector_store_unavailable_total") >= 1


async def test_a_standby_before_its_promotion(server: PostgreSQL, start_server: StartServer, tmp_path: Path) -> None:
    """A standby is not ready, with one line in the log; once promoted it is, and no process need be restarted."""
    standby, log = start_server(standby_of=server), tmp_path / "api.log"
    async with api_process(standby.url("connector"), log) as api:
        for _ in range(3):
            await check_refuses(api, "read_only")
        standby.promote()
        await until(lambda: accepts(api.client, "after"))
        assert (await api.client.get("/readyz")).json()["database"] == "ok"
    assert set(await logged_ids(standby.url("connector"))) == {"after"}
    assert log.read_text().count("database_unavailable") == 1
    assert "promote the standby" in log.read_text()


async def test_a_server_that_is_set_to_read_only(server: PostgreSQL, tmp_path: Path) -> None:
    """`default_transaction_read_only` counts also for connections that have read before."""
    async with api_process(server.url("connector"), tmp_path / "api.log") as api:
        assert await accepts(api.client, "before")
        set_read_only(server, "on")
        await check_refuses(api, "read_only")
        set_read_only(server, "off")
        await until(lambda: accepts(api.client, "after"))
        assert (await api.client.get("/readyz")).json()["database"] == "ok"
    assert set(await logged_ids(server.url("connector"))) == {"before", "after"}


def set_read_only(server: PostgreSQL, value: str) -> None:
    """Change the server's default, as an operator or a provider does when space runs short."""
    server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    server.execute("SELECT pg_reload_conf()")


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of 64 MiB: an empty database needs half of it."""
    folder = Path(mkdtemp(prefix="connector-disk-"))
    try:
        with small_disk(folder, 64) as mounted:
            yield mounted
    except PermissionError as error:
        pytest.skip(str(error))
    finally:
        folder.rmdir()


async def test_a_full_tablespace(disk: Path, start_server: StartServer, tmp_path: Path) -> None:
    """Reports get 503 while no page can be added to a table; accepted ones stay, and free space ends the outage."""
    server = start_server()
    server.create_tablespace("small", disk)
    migrate_database(server.url(server.create("connector", tablespace="small")))
    async with api_process(server.url("connector"), tmp_path / "api.log") as api:
        assert await accepts(api.client, "before")
        ballast = fill(disk)
        await check_refuses(api, "disk_full")
        ballast.unlink()
        await until(lambda: accepts(api.client, "after"))
        assert (await api.client.get("/readyz")).json()["database"] == "ok"
    assert set(await logged_ids(server.url("connector"))) == {"before", "after"}
