"""The revision of a database's tables, read without alembic, whose import takes longer than a short command.

ConnectorError
└── WrongTables  the tables are not those of this program
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import column, inspect, select, table

from connector.rules.model.errors import ConnectorError
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction

NEWEST_REVISION = "0016"
"""The newest script in `connector/store/migrations/versions`."""

_VERSIONS = table("alembic_version", column("version_num"))
_NUMBERED = re.compile(r"\d{4}", re.ASCII)


class WrongTables(ConnectorError):
    """The tables are not those of this program; the message names their revision and the way out."""


@dataclass(frozen=True)
class RevisionFault:
    """Why the tables do not fit, and the way out, in one sentence.

    Args:
        kind: `missing` and `older` tables are what `connector setup` creates and upgrades; `newer` ones were made by a
            later version; `unknown` ones by another program, or by several branches of this one.
    """

    kind: Literal["missing", "older", "newer", "unknown"]
    sentence: str

    @property
    def is_newer(self) -> bool:
        """Whether a later version of the program made the tables."""
        return self.kind == "newer"

    @property
    def is_for_setup(self) -> bool:
        """Whether `connector setup` is the way out."""
        return self.kind in ("missing", "older")


def find_revision_fault(revisions: Sequence[str] | None, newest: str = NEWEST_REVISION) -> RevisionFault | None:
    """Return why tables of these revisions do not fit this program; None: they fit.

    Args:
        revisions: the rows of `alembic_version`; None: there is no such table.
        newest: the revision that this program needs.
    """
    if not revisions:
        return RevisionFault("missing", "the database has no tables of the connector yet: run `connector setup`")
    if list(revisions) == [newest]:
        return None
    found = ", ".join(sorted(revisions))
    if len(revisions) != 1 or not _NUMBERED.fullmatch(revisions[0]):
        return RevisionFault(
            "unknown",
            f"the tables are of no known revision (alembic_version has {found}, this program needs {newest}): correct "
            "CONNECTOR_DATABASE_URL if it names the database of another program, else restore a backup",
        )
    if revisions[0] > newest:
        return RevisionFault(
            "newer",
            f"the tables are of revision {found}, newer than this program, which knows {newest}: deploy the version of "
            "the program that made them, or a later one",
        )
    return RevisionFault(
        "older",
        f"the tables are of revision {found}, older than this program, which needs {newest}: run `connector setup`",
    )


async def read_revisions(tx: Transaction) -> tuple[str, ...] | None:
    """Return the rows of `alembic_version`; None: there is no such table, so nothing was ever set up."""
    if not await tx.connection.run_sync(lambda connection: inspect(connection).has_table(_VERSIONS.name)):
        return None
    return tuple((await tx.execute(select(_VERSIONS.c.version_num))).scalars())


async def load_revisions(database: Database) -> tuple[str, ...] | None:
    """Return the rows of `alembic_version` in a transaction of its own. Raises StoreUnavailable."""
    async with database.read("/migrations") as tx:
        return await read_revisions(tx)
