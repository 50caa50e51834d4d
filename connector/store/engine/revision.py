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
from connector.store.tables import compatibility

NEWEST_REVISION = "0024"
"""The newest script in `connector/store/migrations/versions`."""

_VERSIONS = table("alembic_version", column("version_num"))
_COMPATIBILITY_SINCE = "0017"
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
    def is_for_setup(self) -> bool:
        """Whether `connector setup` is the way out."""
        return self.kind in ("missing", "older")


def find_revision_fault(
    revisions: Sequence[str] | None, oldest_program: str | None = None, newest: str = NEWEST_REVISION
) -> RevisionFault | None:
    """Return why tables of these revisions do not fit this program; None: they fit.

    Args:
        revisions: the rows of `alembic_version`; None: there is no such table.
        oldest_program: programs that know this revision, or a later one, can work with these tables; None: only
            programs that know the tables' own revision can.
        newest: the revision that this program needs, the newest that it knows.
    """
    if not revisions:
        return RevisionFault("missing", "the database has no tables of the connector yet: run `connector setup`")
    if list(revisions) == [newest]:
        return None
    revision = _single(revisions)
    if revision is None:
        found = ", ".join(sorted(revisions))
        return RevisionFault(
            "unknown",
            f"the tables are of no known revision (alembic_version has {found}, this program needs {newest}): correct "
            "CONNECTOR_DATABASE_URL if it names the database of another program, else restore a backup",
        )
    if revision > newest and oldest_program is not None and oldest_program <= newest:
        return None
    if revision > newest:
        return RevisionFault(
            "newer",
            f"the tables are of revision {revision}, newer than this program, which knows {newest}: deploy the version "
            "of the program that made them, or a later one",
        )
    return RevisionFault(
        "older",
        f"the tables are of revision {revision}, older than this program, which needs {newest}: run `connector setup`",
    )


def _single(revisions: Sequence[str]) -> str | None:
    """Return the revision if it is one of ours; None: there are several, none, or another program's."""
    return revisions[0] if len(revisions) == 1 and _NUMBERED.fullmatch(revisions[0]) else None


async def read_revisions(tx: Transaction) -> tuple[str, ...] | None:
    """Return the rows of `alembic_version`; None: there is no such table, so nothing was ever set up."""
    if not await tx.connection.run_sync(lambda connection: inspect(connection).has_table(_VERSIONS.name)):
        return None
    return tuple((await tx.execute(select(_VERSIONS.c.version_num))).scalars())


async def read_oldest_program(tx: Transaction, revisions: Sequence[str] | None) -> str | None:
    """Return the `oldest_program` of `find_revision_fault`, which the tables of these revisions name; None: none."""
    revision = _single(revisions or ())
    if revision is None or revision < _COMPATIBILITY_SINCE:
        return None
    return (await tx.execute(select(compatibility.c.oldest_program))).scalar_one_or_none()


async def load_revision_fault(database: Database) -> RevisionFault | None:
    """Return why a database's tables do not fit this program; None: they fit. Raises StoreUnavailable."""
    async with database.read("/migrations") as tx:
        revisions = await read_revisions(tx)
        return find_revision_fault(revisions, await read_oldest_program(tx, revisions))
