"""The tables say which is the oldest program that can work with them.

A later migration that a running program cannot live with writes its own revision into this table. One that only adds
what that program may leave out changes nothing here, so that both versions run during an upgrade, and a rollback of the
program needs none of the tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table with its row."""
    table = op.create_table(
        "compatibility",
        sa.Column("oldest_program", sa.String(32), primary_key=True),
        comment="One row: the newest revision that the oldest program knows which can work with these tables.",
    )
    op.bulk_insert(table, [{"oldest_program": revision}])
