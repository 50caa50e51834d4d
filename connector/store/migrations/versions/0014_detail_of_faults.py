"""What is wrong with a message that was not sent, for people: where its template failed, and why (W7)."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; earlier messages have none."""
    op.add_column("deliveries", sa.Column("detail", sa.Text()))
