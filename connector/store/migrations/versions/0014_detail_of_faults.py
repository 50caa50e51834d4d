"""The detail of a message's fault, for people: the place at which its template failed, and the reason (W7)."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; earlier messages have none."""
    op.add_column("deliveries", sa.Column("detail", sa.Text()))
