"""The inbox of client apps: messages that wait for their users, and what users did with messages and cards."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.tables import Instant

revision = "0003"
down_revision = "0002"

JSON_VALUE = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "inbox",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("delivery_id", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("content", JSON_VALUE, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
        comment="In-app messages and cards as they were rendered for one user; id is made of the delivery's.",
    )
    op.create_index("inbox_of_user", "inbox", ["workspace", "user_key", "expires_at"], unique=False)
    op.create_table(
        "inbox_marks",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=False),
        sa.Column("viewed_at", Instant(), nullable=True),
        sa.Column("dismissed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "user_key", "message"),
        comment="When a user first viewed, and dismissed, a message of the inbox or a published card.",
    )
