"""Launches of scheduled originals."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of launches."""
    op.create_table(
        "launches",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("launch_id", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.Column("told_in", sa.BigInteger(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("begun_at", Instant(), nullable=True),
        sa.Column("cursor", sa.String(length=255), nullable=True),
        sa.Column("paged_at", Instant(), nullable=True),
        sa.Column("kept_up_at", Instant(), nullable=False),
        sa.Column("minute_at", Instant(), nullable=True),
        sa.Column("minute_count", sa.Integer(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "launch_id"),
        comment="A scheduled original on its way to its audience: how far it has come, and what its workflow knows.",
    )
    op.create_index("launches_of_campaign", "launches", ["workspace", "campaign"], unique=True)
