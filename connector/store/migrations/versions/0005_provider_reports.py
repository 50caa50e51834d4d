"""What providers report: unreachable addresses, what could not be led back, and the ways by which it is led back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.tables import Instant

revision = "0005"
down_revision = "0004"

JSON_VALUE = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BARE_NUMBER = "replace(replace(replace(replace(replace(phone, ' ', ''), '-', ''), '(', ''), ')', ''), '.', '')"


def upgrade() -> None:
    """Add the column and the indexes of what there is, and create the three tables."""
    op.add_column("users", sa.Column("said_at", JSON_VALUE, nullable=False, server_default=sa.text("'{}'")))
    op.create_index("users_by_email", "users", ["workspace", sa.text("lower(email)")])
    op.create_index("users_by_phone", "users", ["workspace", sa.text(BARE_NUMBER)])
    op.create_index(
        "deliveries_by_provider",
        "deliveries",
        ["workspace", "provider_id"],
        postgresql_where=sa.text("channel IN ('email', 'sms')"),
        sqlite_where=sa.text("channel IN ('email', 'sms')"),
    )
    op.create_table(
        "unmatched_reports",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("event", JSON_VALUE, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "provider", "event_id"),
        comment="What providers told that could not be led back: kept as it was told, and led back later.",
    )
    op.create_index("unmatched_reports_in_order", "unmatched_reports", ["workspace", "at", "provider", "event_id"])
    op.create_index("unmatched_reports_received", "unmatched_reports", ["workspace", "received_at"])
    op.create_index("unmatched_reports_of_user", "unmatched_reports", ["workspace", "user_id"])
    op.create_index("unmatched_reports_of_address", "unmatched_reports", ["workspace", "address"])
    op.create_table(
        "dead_addresses",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "channel", "address"),
        comment="What providers told of addresses last: whoever has a dead one is not written to.",
    )
    op.create_index("dead_addresses_of_user", "dead_addresses", ["workspace", "user_key"])
    op.create_table(
        "heeded_reports",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "provider", "event_id"),
        comment="Which bounces, complaints and wishes have been heeded, so that one told again changes nothing.",
    )
    op.create_index("heeded_reports_received", "heeded_reports", ["workspace", "received_at"])
