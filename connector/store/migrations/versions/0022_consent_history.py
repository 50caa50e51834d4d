"""Consent history: each change of a user's state on a channel, from now on."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant, Serial

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Create the table; what changed before is not known."""
    op.create_table(
        "consent_changes",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("seq", Serial, nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("old_state", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("stated_at", Instant(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("provider", sa.String(length=32), nullable=True),
        sa.Column("event", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        comment="Each change of a user's consent to a channel: old and new state, when, and how it came about.",
    )
    op.create_index("consent_changes_of_user", "consent_changes", ["workspace", "user_key", "seq"])
