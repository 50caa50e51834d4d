"""The cleanup: what goes, what is kept and why, in small transactions, one process at a time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from connector.store.cleanup.cleaning import Cleaning
from tests.support.installation import Installation
from tests.support.old_rows import KEPT, old_rows, table_counts

DAY = timedelta(days=1)


def cleaning_of(installation: Installation, workspace: str = "default") -> Cleaning:
    return Cleaning(installation.database, installation.cache, workspace, KEPT)


async def test_what_is_past_goes_and_what_is_needed_stays(installation: Installation) -> None:
    """Each table has a row that is past and one that something still needs: only the first goes."""
    rows = old_rows(datetime.now(UTC))
    async with installation.database.write("default") as tx:
        for one in rows:
            await tx.execute(insert(one.table), [{"workspace": "default", **one.values}])
    expected = Counter(one.table.name for one in rows if one.is_past)
    previewed = await cleaning_of(installation).preview()
    assert +previewed.rows == expected
    before = await table_counts(installation.database)
    await cleaning_of(installation).clean()
    after = await table_counts(installation.database)
    assert {name: before[name] - after[name] for name in expected} == expected
    assert (await cleaning_of(installation).preview()).rows.total() == 0
