"""The marks of erased users leave the ids: they get a table of their own, as keyed hashes.

What earlier erasures left behind is erased: keys, ids of triggers and exceptions, receipts.
"""

import hashlib
import hmac
import secrets

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0011"
down_revision = "0010"

PREFIX = "erased:"
HASH_CHARACTERS = 64
PAGE_ROWS = 10_000

aliases = sa.table("user_aliases", sa.column("workspace"), sa.column("external_id"))
erased_users = sa.table("erased_users", sa.column("workspace"), sa.column("mark"), sa.column("erased_at", Instant()))

OF_ERASED = (
    "(workspace, user_key) IN (SELECT u.workspace, u.user_key FROM users u WHERE NOT EXISTS "
    "(SELECT 1 FROM user_aliases a WHERE a.workspace = u.workspace AND a.user_key = u.user_key))"
)
"""Of users without an id: whoever reports something about a user gives an id, and an erasure takes all of them."""

IS_LAUNCH = (
    "EXISTS (SELECT 1 FROM launches l WHERE l.workspace = follow_ups.workspace AND l.launch_id = follow_ups.trigger_id)"
)
EMPTIED = {
    "follow_ups": "key = id, exception_id = NULL, due_at = triggered_at, "
    f"trigger_id = CASE WHEN {IS_LAUNCH} THEN trigger_id ELSE 'erased' END",
    "decisions": "key = '', interaction_id = 'erased'",
    "deliveries": "provider_id = NULL",
    "dead_addresses": "user_key = NULL",
    "users": "email = NULL, phone = NULL, push_tokens = '[]', time_zone = NULL, first_name = NULL, attributes = '{}', "
    "consent = '{}', said_at = '{}', newest_t = NULL",
}
DELETED = ("interactions", "receipts", "inbox", "inbox_marks")


def upgrade() -> None:
    """Create the tables, and carry over who was erased."""
    op.create_table(
        "erased_users",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("erased_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "mark"),
        comment="The marks of erased users: keyed hashes of their ids and addresses, which no request can address.",
    )
    op.create_table(
        "erasure_secret",
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("secret"),
        comment="The secret of this installation that the marks are made with, in hexadecimal; one row.",
    )
    secret = secrets.token_bytes(32)
    op.bulk_insert(sa.table("erasure_secret", sa.column("secret")), [{"secret": secret.hex()}])
    if marked := _find_marked():
        _carry_over(marked, secret)


def _find_marked() -> set[tuple[str, str]]:
    """Return the workspaces and the hashes of the ids that were erased.

    Whoever could report interactions could write such an id, to refuse somebody for ever. If a user with the id itself
    is there, it was not erased, and the forged one stays an ordinary id.
    """
    connection, columns = op.get_bind(), (aliases.c.workspace, aliases.c.external_id)
    is_mark = aliases.c.external_id.like(f"{PREFIX}%")
    marked = {
        (workspace, id.removeprefix(PREFIX))
        for workspace, id in connection.execute(sa.select(*columns).where(is_mark))
        if len(id) == len(PREFIX) + HASH_CHARACTERS and not id.removeprefix(PREFIX).strip("0123456789abcdef")
    }
    if marked:
        for workspace, id in connection.execute(sa.select(*columns)).yield_per(PAGE_ROWS):
            marked.discard((workspace, hashlib.sha256(id.encode()).hexdigest()))
    return marked


def _carry_over(marked: set[tuple[str, str]], secret: bytes) -> None:
    """Write the marks, and delete what earlier erasures kept, or was reported about a mark as if it was a user."""
    connection = op.get_bind()
    now = connection.execute(sa.select(sa.type_coerce(sa.func.current_timestamp(), Instant()))).scalar_one()
    rows = [
        {"workspace": workspace, "mark": hmac.new(secret, hash.encode(), hashlib.sha256).hexdigest(), "erased_at": now}
        for workspace, hash in sorted(marked)
    ]
    op.bulk_insert(erased_users, rows)
    is_one = (aliases.c.workspace == sa.bindparam("of"), aliases.c.external_id == sa.bindparam("id"))
    connection.execute(
        sa.delete(aliases).where(*is_one), [{"of": of, "id": PREFIX + hash} for of, hash in sorted(marked)]
    )
    for table in DELETED:
        connection.execute(sa.text(f"DELETE FROM {table} WHERE {OF_ERASED}"))  # noqa: S608 - constants
    for table, values in EMPTIED.items():
        connection.execute(sa.text(f"UPDATE {table} SET {values} WHERE {OF_ERASED}"))  # noqa: S608 - constants
