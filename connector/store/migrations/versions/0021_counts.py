"""The counts of follow-ups and refusals by campaign, state and reason, kept by triggers, and indexes of results.

The triggers count whatever writes: ingest, sends, replays, operators, erasure and the cleanup, in their own
transactions and without a statement of theirs. SQLite has one writer at a time, so that a trigger changes the count
itself. On PostgreSQL transactions that change one row wait for each other, so that each statement adds a row with its
difference in a slot of its own, and the worker adds those up (`store.follow_ups.tallies`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_TABLES = ("follow_ups", "decisions")

_SQLITE_ADD = """
INSERT INTO follow_up_counts (workspace, campaign, state, reason, slot, count)
VALUES ({row}.workspace, {row}.campaign, {row}.state, coalesce({row}.reason, ''), 0, {number})
ON CONFLICT (workspace, campaign, state, reason, slot) DO UPDATE SET count = count + excluded.count;
"""
_SQLITE = {
    "inserted": ("AFTER INSERT ON {table}", (("NEW", 1),)),
    "deleted": ("AFTER DELETE ON {table}", (("OLD", -1),)),
    "changed": (
        "AFTER UPDATE OF workspace, campaign, state, reason ON {table} WHEN (OLD.workspace, OLD.campaign, OLD.state, "
        "coalesce(OLD.reason, '')) IS NOT (NEW.workspace, NEW.campaign, NEW.state, coalesce(NEW.reason, ''))",
        (("OLD", -1), ("NEW", 1)),
    ),
}
# By the rights of the owner: whoever may change follow-ups needs none on the counts, so that an earlier program, whose
# user has them on its own tables only, goes on writing during an upgrade.
_FUNCTION = """
CREATE FUNCTION count_{table}_{when}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO follow_up_counts (workspace, campaign, state, reason, slot, count)
  SELECT workspace, campaign, state, reason, nextval('follow_up_count_slots'), sum(number)
  FROM ({rows}) AS changed (workspace, campaign, state, reason, number)
  GROUP BY workspace, campaign, state, reason HAVING sum(number) <> 0;
  RETURN NULL;
END $$"""
_ROWS = "SELECT workspace, campaign, state, coalesce(reason, ''), {number} FROM {name}"
_POSTGRESQL = {
    "inserted": ("INSERT", "NEW TABLE AS new_rows", (("new_rows", 1),)),
    "deleted": ("DELETE", "OLD TABLE AS old_rows", (("old_rows", -1),)),
    "changed": (
        "UPDATE",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        (("old_rows", -1), ("new_rows", 1)),
    ),
}
# The cleanup deletes from a day's partition by its name, which fires no statement's trigger of the whole table; it
# seldom does so, because most days are dropped, and then it subtracts them itself.
_DECISION_DELETED = (
    """
CREATE FUNCTION count_decisions_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO follow_up_counts (workspace, campaign, state, reason, slot, count)
  VALUES (OLD.workspace, OLD.campaign, OLD.state, OLD.reason, nextval('follow_up_count_slots'), -1);
  RETURN NULL;
END $$""",
    "CREATE TRIGGER count_decisions_deleted AFTER DELETE ON decisions "
    "FOR EACH ROW EXECUTE FUNCTION count_decisions_deleted()",
)
_COUNT = """
INSERT INTO follow_up_counts (workspace, campaign, state, reason, slot, count)
SELECT workspace, campaign, state, coalesce(reason, ''), 0, count(*) FROM (
  SELECT workspace, campaign, state, reason FROM follow_ups
  UNION ALL SELECT workspace, campaign, state, reason FROM decisions
) AS existing GROUP BY 1, 2, 3, 4"""


def upgrade() -> None:
    """Create the table and the triggers, count what is there, and create the index."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "follow_up_counts",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "campaign", "state", "reason", "slot"),
        comment="How many follow-ups and refusals there are, kept by triggers; a count is the sum over its slots.",
    )
    op.create_index(
        "follow_up_counts_to_fold",
        "follow_up_counts",
        ["workspace"],
        postgresql_where=sa.text("slot <> 0"),
        sqlite_where=sa.text("slot <> 0"),
    )
    for statement in _postgresql() if is_postgresql else _sqlite():
        op.execute(sa.text(statement.replace(":", "\\:")))
    op.execute(_COUNT)
    reached = sa.text("state IN ('sent', 'control')")
    op.create_index(
        "follow_ups_reached",
        "follow_ups",
        ["workspace", "campaign", "decided_at", "user_key", "state"],
        postgresql_where=reached,
        sqlite_where=reached,
    )
    template_failed = sa.text("reason = 'template_failed'")
    op.create_index(
        "deliveries_template_failed",
        "deliveries",
        ["workspace", "campaign", "detail"],
        postgresql_where=template_failed,
        sqlite_where=template_failed,
    )
    op.create_index("decisions_of_campaign", "decisions", ["workspace", "campaign", "state", "t", "seq", "reason"])
    op.drop_index("interactions_on_target", "interactions")
    op.create_index("interactions_on_target", "interactions", ["workspace", "target", "topic", "user_key", "t"])


def _sqlite() -> list[str]:
    return [
        f"CREATE TRIGGER count_{table}_{when} {event.format(table=table)} BEGIN "
        + "".join(_SQLITE_ADD.format(row=row, number=number) for row, number in rows)
        + "END"
        for table in _TABLES
        for when, (event, rows) in _SQLITE.items()
    ]


def _postgresql() -> list[str]:
    statements = ["CREATE SEQUENCE follow_up_count_slots"]
    for table in _TABLES:
        for when, (event, named, parts) in _POSTGRESQL.items():
            if (table, when) == ("decisions", "deleted"):
                statements += _DECISION_DELETED
                continue
            rows = " UNION ALL ".join(_ROWS.format(name=name, number=number) for name, number in parts)
            statements.append(_FUNCTION.format(table=table, when=when, rows=rows))
            statements.append(
                f"CREATE TRIGGER count_{table}_{when} AFTER {event} ON {table} REFERENCING {named} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION count_{table}_{when}()"
            )
    return statements
