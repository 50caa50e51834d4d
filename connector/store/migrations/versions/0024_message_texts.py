"""Messages as they were rendered, while CONNECTOR_KEEP_MESSAGES keeps them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.tables import Instant

revision = "0024"
down_revision = "0023"

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the table; messages that were sent before have no text."""
    op.create_table(
        "message_texts",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("delivery_id", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("cut", _JSON, nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "delivery_id"),
        comment="Messages as they were rendered, before tracking, while CONNECTOR_KEEP_MESSAGES keeps them.",
    )
    op.create_index("message_texts_of_user", "message_texts", ["workspace", "user_key"])
    op.create_index("message_texts_expiring", "message_texts", ["workspace", "expires_at"])
