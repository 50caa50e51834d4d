"""Indexes of the lists of follow-ups and refusals, along which a page is read, and of those that are due."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_ORDER = ["triggered_at", "id", "reason", "decided_at"]


def upgrade() -> None:
    """Create the indexes, and extend those of a campaign's and of a user's follow-ups."""
    is_open = sa.text("state IN ('waiting', 'held', 'sending')")
    op.drop_index("follow_ups_of_campaign", "follow_ups")
    op.create_index("follow_ups_of_campaign", "follow_ups", ["workspace", "campaign", "state", *_ORDER])
    op.drop_index("follow_ups_of_user", "follow_ups")
    op.create_index("follow_ups_of_user", "follow_ups", ["workspace", "user_key", "campaign"])
    op.create_index("follow_ups_of_state", "follow_ups", ["workspace", "state", *_ORDER])
    op.create_index(
        "follow_ups_by_time",
        "follow_ups",
        ["workspace", "next_at", "id"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    op.create_index("decisions_of_state", "decisions", ["workspace", "state", "t", "seq", "campaign", "reason"])
