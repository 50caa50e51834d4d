"""What the cleanup needs: its state, an index of expired messages of the inbox, and decisions by the day.

On PostgreSQL the decisions so far become one partition of the new table, named by its last day, without being copied.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.tables import Instant

revision = "0020"
down_revision = "0019"

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_LOG = "The log. day is the UTC date of t; on PostgreSQL the table is partitioned by it."
_DECISIONS = "Refusals at the trigger, and late exceptions that were noted; on PostgreSQL partitioned by their day."
_BY_DAY = (
    "ALTER TABLE decisions RENAME TO decisions_before",
    "ALTER TABLE decisions_before DROP CONSTRAINT decisions_pkey",
    "ALTER INDEX decisions_of_user RENAME TO decisions_before_of_user",
    "ALTER INDEX decisions_of_state RENAME TO decisions_before_of_state",
    "CREATE TABLE decisions (LIKE decisions_before INCLUDING DEFAULTS, PRIMARY KEY (seq, decided_at)) "
    "PARTITION BY RANGE (decided_at)",
    "ALTER SEQUENCE decisions_seq_seq OWNED BY decisions.seq",
    "ALTER TABLE decisions_before ALTER seq DROP DEFAULT",
    "CREATE TABLE decisions_other_days PARTITION OF decisions DEFAULT",
)
_ATTACH = (
    "ALTER TABLE decisions_before RENAME TO decisions_{day:%Y%m%d}",
    "ALTER TABLE decisions ATTACH PARTITION decisions_{day:%Y%m%d} "
    "FOR VALUES FROM (MINVALUE) TO ('{next_day} 00:00:00+00')",
)


def upgrade() -> None:
    """Create the table, the index and the partitions; existing rows stay."""
    op.create_table(
        "cleanups",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("leased_until", Instant(), nullable=True),
        sa.Column("began_at", Instant(), nullable=True),
        sa.Column("succeeded_at", Instant(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("deleted", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
        comment="Who deletes what is past its use, and when a run last came to its end.",
    )
    op.create_index("inbox_expiring", "inbox", ["workspace", "expires_at"])
    if op.get_bind().dialect.name == "postgresql":
        _partition_decisions()
        op.create_table_comment("interactions", _LOG)
        op.create_table_comment("decisions", _DECISIONS)


def _partition_decisions() -> None:
    for statement in _BY_DAY:
        op.execute(statement)
    newest = sa.text("SELECT (max(decided_at) AT TIME ZONE 'UTC')::date FROM decisions_before")
    day = op.get_bind().execute(newest).scalar_one()
    if day is None:
        op.execute("DROP TABLE decisions_before")
    else:
        for statement in _ATTACH:
            op.execute(statement.format(day=day, next_day=day + timedelta(days=1)))
    op.create_index("decisions_of_user", "decisions", ["workspace", "user_key", "t"])
    op.create_index("decisions_of_state", "decisions", ["workspace", "state", "t", "seq", "campaign", "reason"])
