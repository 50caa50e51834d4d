"""An index of each user's log by type, so that a late item is replayed with the items that bear on it (T5)."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the index."""
    op.create_index("interactions_of_type", "interactions", ["workspace", "user_key", "topic", "t"])
