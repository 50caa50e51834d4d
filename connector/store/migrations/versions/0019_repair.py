"""Messages that are sent again: how often, as which deliveries; and waits that operators moved in bulk."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns, and let a channel have several deliveries of which all but one have failed."""
    op.add_column("follow_ups", sa.Column("resends", sa.Integer, nullable=False, server_default=sa.text("0")))
    for moved in ("moved_to", "moved_at"):
        op.add_column("follow_ups", sa.Column(moved, Instant))
    is_moved = sa.text("moved_at IS NOT NULL")
    op.create_index(
        "follow_ups_moved", "follow_ups", ["workspace", "moved_at"], postgresql_where=is_moved, sqlite_where=is_moved
    )
    op.create_index("deliveries_of_follow_up", "deliveries", ["workspace", "follow_up_id"])
    op.drop_index("deliveries_one_each", "deliveries")
    has_not_failed = sa.text("state <> 'failed'")
    op.create_index(
        "deliveries_one_each",
        "deliveries",
        ["workspace", "follow_up_id", "channel"],
        unique=True,
        postgresql_where=has_not_failed,
        sqlite_where=has_not_failed,
    )
