"""The first tables.

On PostgreSQL the log is partitioned by day. Days without a partition of their own fall into the default one, so that a
missing partition never loses an interaction.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.tables import Instant

revision = "0001"
down_revision = None

JSON_VALUE = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table and index."""
    op.create_table(
        "assignments",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=False),
        sa.Column("control", sa.Boolean(), nullable=False),
        sa.Column("variant", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "campaign", "user_key"),
        comment="The first assignment to control group and variant, which is kept (T4).",
    )
    op.create_table(
        "catalogue",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("definition", JSON_VALUE, nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
        comment="One row a workspace: the version that every order raises, and the workspace's own definition.",
    )
    op.create_table(
        "decisions",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("interaction_id", sa.String(length=255), nullable=False),
        sa.Column("t", Instant(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        comment="Refusals at the trigger, and late exceptions that were noted.",
    )
    op.create_index("decisions_of_user", "decisions", ["workspace", "user_key", "t"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("follow_up_id", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("fault", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("claimed_at", Instant(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "id"),
        comment="One message on one channel: open, claimed, sent, dropped, failed or unknown.",
    )
    op.create_index("deliveries_of_user", "deliveries", ["workspace", "user_key", "claimed_at"], unique=False)
    op.create_index("deliveries_one_each", "deliveries", ["workspace", "follow_up_id", "channel"], unique=True)
    op.create_table(
        "entries",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("newest_revision", sa.Integer(), nullable=False),
        sa.Column("live_revision", sa.Integer(), nullable=True),
        sa.Column("first_effective_at", Instant(), nullable=True),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
        comment="A campaign or card: draft, active, stopped or archived, "
        "and the catalogue version that last changed it.",
    )
    op.create_index("entries_changed_in", "entries", ["workspace", "changed_in"], unique=False)
    op.create_table(
        "follow_ups",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("trigger_id", sa.String(length=255), nullable=False),
        sa.Column("trigger", JSON_VALUE, nullable=False),
        sa.Column("triggered_at", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("channels", JSON_VALUE, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("exception_id", sa.String(length=255), nullable=True),
        sa.Column("exception_at", Instant(), nullable=True),
        sa.Column("dispatched_at", Instant(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_outside", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("signalled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "id"),
        comment="One user's passage through one follow-on. trigger is {kind, topic, target, target_kind, properties}.",
    )
    op.create_index("follow_ups_of_campaign", "follow_ups", ["workspace", "campaign", "state"], unique=False)
    op.create_index("follow_ups_of_user", "follow_ups", ["workspace", "user_key"], unique=False)
    op.create_index(
        "follow_ups_one_wait",
        "follow_ups",
        ["workspace", "campaign", "user_key", "key"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'held', 'sending')"),
        sqlite_where=sa.text("state IN ('waiting', 'held', 'sending')"),
    )
    op.create_index(
        "follow_ups_to_signal",
        "follow_ups",
        ["workspace", "decided_at"],
        unique=False,
        postgresql_where=sa.text("ended_outside AND started_at IS NOT NULL AND signalled_at IS NULL"),
        sqlite_where=sa.text("ended_outside AND started_at IS NOT NULL AND signalled_at IS NULL"),
    )
    op.create_index(
        "follow_ups_to_start",
        "follow_ups",
        ["workspace", "due_at"],
        unique=False,
        postgresql_where=sa.text("started_at IS NULL AND state = 'waiting'"),
        sqlite_where=sa.text("started_at IS NULL AND state = 'waiting'"),
    )
    op.create_table(
        "interactions",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=True),
        sa.Column("target_kind", sa.String(length=16), nullable=True),
        sa.Column("t", Instant(), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("properties", JSON_VALUE, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "day", "id"),
        comment="The log. day is the UTC date of occurred_at; on PostgreSQL the table is partitioned by it.",
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index("interactions_of_user", "interactions", ["workspace", "user_key", "t"], unique=False)
    op.create_index("interactions_on_target", "interactions", ["workspace", "target", "topic"], unique=False)
    op.create_index("interactions_received", "interactions", ["workspace", "received_at"], unique=False)
    op.create_table(
        "orders",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("order_id", sa.String(length=255), nullable=False),
        sa.Column("verb", sa.String(length=16), nullable=False),
        sa.Column("ids", JSON_VALUE, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("ordered_at", Instant(), nullable=False),
        sa.Column("receipt", JSON_VALUE, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "order_id"),
        comment="What the registry carried out. A repeated order id answers with its receipt and changes nothing.",
    )
    op.create_table(
        "publications",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("window_id", SERIAL, nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("window_id"),
        comment="The windows [opened_at, closed_at) in which a campaign or card was live.",
    )
    op.create_index("publications_of", "publications", ["workspace", "id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "campaign", "user_key", "key"),
        comment="Who received what last (T1, W3); kept beyond the log.",
    )
    op.create_table(
        "revisions",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("definition", JSON_VALUE, nullable=False),
        sa.Column("saved_at", Instant(), nullable=False),
        sa.Column("effective_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "id", "revision"),
        comment="Every saved definition; effective_at is the instant at which publish made it live.",
    )
    op.create_table(
        "sequences",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
        comment="SQLite's arrival numbers, taken under the one writer's lock; PostgreSQL has a real sequence.",
    )
    op.create_table(
        "user_aliases",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "external_id"),
        comment="The ids by which services know a user.",
    )
    op.create_index("user_aliases_key", "user_aliases", ["workspace", "user_key"], unique=False)
    op.create_table(
        "users",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("push_tokens", JSON_VALUE, nullable=False),
        sa.Column("time_zone", sa.String(length=255), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("attributes", JSON_VALUE, nullable=False),
        sa.Column("consent", JSON_VALUE, nullable=False),
        sa.Column("newest_t", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "user_key"),
        comment="One row a user. newest_t is the newest interaction judged; "
        "anything not after it is judged by folding.",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("arrivals")))
        op.execute("CREATE TABLE interactions_other_days PARTITION OF interactions DEFAULT")
