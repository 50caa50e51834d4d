"""Which ids were seen only as anonymous ones, and which joins of ids were made by whom."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column and the table; ids from before count as identified, because their use was not recorded."""
    op.add_column("user_aliases", sa.Column("anonymous", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_table(
        "user_joins",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("previous_id", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("joined_at", Instant(), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("joined_by", sa.Text(), nullable=True),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "previous_id", "id", "joined_at"),
        comment="Which ids were joined into which users, by whom, and until when.",
    )
    op.create_index("user_joins_key", "user_joins", ["workspace", "user_key"])
    op.create_index("user_joins_id", "user_joins", ["workspace", "id"])
