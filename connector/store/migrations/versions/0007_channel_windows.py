"""The windows in which messages of channels with a rate are counted."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "channel_windows",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("at", Instant(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "channel"),
        comment="The messages of each channel with a rate in the window that began at `at`.",
    )
