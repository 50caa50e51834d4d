"""Who stated a user's consent to each channel."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add the column; a statement that has a time but no source was made by the user or by a provider."""
    op.add_column("users", sa.Column("said_by", _JSON, nullable=False, server_default=sa.text("'{}'")))
