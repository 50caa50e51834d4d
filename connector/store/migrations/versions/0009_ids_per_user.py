"""Interaction ids are unique per user and on all days (M6), so the log's primary key begins with the user."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0009"
down_revision = "0008"

_INDEXES = {
    "interactions_of_user": ["workspace", "user_key", "t"],
    "interactions_on_target": ["workspace", "target", "topic"],
    "interactions_received": ["workspace", "received_at"],
}


def upgrade() -> None:
    """Change the key. It accepts whatever the old one, by day and id, has accepted, so every row is carried over."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("interactions_pkey", "interactions")
        op.create_primary_key("interactions_pkey", "interactions", ["workspace", "user_key", "id", "day"])
        return
    for name in _INDEXES:
        op.drop_index(name)
    op.rename_table("interactions", "interactions_before")
    columns = _columns()
    op.create_table("interactions", *columns, sa.PrimaryKeyConstraint("workspace", "user_key", "id", "day"))
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO interactions ({names}) SELECT {names} FROM interactions_before")  # noqa: S608
    op.drop_table("interactions_before")
    for name, indexed in _INDEXES.items():
        op.create_index(name, "interactions", indexed)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=True),
        sa.Column("target_kind", sa.String(length=16), nullable=True),
        sa.Column("t", Instant(), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
    ]
