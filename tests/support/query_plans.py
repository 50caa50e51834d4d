"""Query plans and lock waits."""

from sqlalchemy import text

from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from tests.support.polling import until


async def explain(tx: Transaction, statement: str) -> list[str]:
    """Return the steps of SQLite's query plan."""
    unbound = (None,) * statement.count("?")
    return [str(row[-1]) for row in await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", unbound)]


def walks(step: str) -> bool:
    """Whether the step reads every row, or every row of a workspace."""
    if step == "SCAN batch":  # the rows passed to the statement
        return False
    return step.endswith("(workspace=?)") or (step.startswith("SCAN") and "VIRTUAL TABLE" not in step)


async def until_waiting(database: Database, count: int) -> None:
    """Poll until this many connections to the PostgreSQL database wait for a lock."""
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def are_waiting() -> bool:
        async with database.read("default") as tx:
            return bool((await tx.execute(statement)).scalar_one() >= count)

    await until(are_waiting, f"{count} connections that wait")
