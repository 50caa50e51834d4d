"""An index of the messages that are tried again, which operators ask for while a provider is away (W6)."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the index; there are few such messages as a rule."""
    is_open = sa.text("state = 'open'")
    op.create_index(
        "deliveries_open",
        "deliveries",
        ["workspace", "channel", "fault"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
