"""Which of several ids of a user is shown: those that others took the place of come last."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; of ids that were linked before, nobody knows which one is used now."""
    op.add_column("user_aliases", sa.Column("rank", sa.Integer(), nullable=False, server_default=sa.text("0")))
