"""The tables (design 7). `workspace` is in every key; every instant is UTC with microseconds.

Personal data is only in `users`, `user_aliases`, `user_joins`, `inbox` and `message_texts` (rendered messages),
`unmatched_reports` and `dead_addresses` (the suppression list). All other tables name a user by the surrogate
`user_key`. Comments of tables are part of the schema, which only a migration changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

metadata = MetaData()

arrivals = Sequence("arrivals", metadata=metadata)
"""PostgreSQL's arrival numbers; SQLite keeps its own in `sequences`."""
count_slots = Sequence("follow_up_count_slots", metadata=metadata)
"""PostgreSQL's slots of `follow_up_counts`; on SQLite there is only slot 0."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime: timestamptz on PostgreSQL, sortable text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Keep the time zone if the database can."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; SQLite stores the UTC wall clock."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime may not be stored")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Serial = BigInteger().with_variant(Integer, "sqlite")


def _key(name: str) -> Column[Any]:
    return Column(name, String(255), primary_key=True)


compatibility = Table(
    "compatibility",
    metadata,
    Column("oldest_program", String(32), primary_key=True),
    comment="One row: the newest revision that the oldest program knows which can work with these tables.",
)
catalogue = Table(
    "catalogue",
    metadata,
    _key("workspace"),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("definition", Json, nullable=False),
    comment="One row a workspace: the version that every order raises, and the workspace's own definition.",
)
entries = Table(
    "entries",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("newest_revision", Integer, nullable=False),
    Column("live_revision", Integer),
    Column("first_effective_at", Instant),
    Column("changed_in", BigInteger, nullable=False),
    Index("entries_changed_in", "workspace", "changed_in"),
    comment="A campaign or card: draft, active, stopped or archived, and the catalogue version that last changed it.",
)
revisions = Table(
    "revisions",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("revision", Integer, primary_key=True),
    Column("definition", Json, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("effective_at", Instant),
    comment="Every saved definition; effective_at is the instant at which publish made it live.",
)
publications = Table(
    "publications",
    metadata,
    Column("workspace", String(255), nullable=False),
    Column("window_id", Serial, primary_key=True),
    Column("id", String(255), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index("publications_of", "workspace", "id"),
    comment="The windows [opened_at, closed_at) in which a campaign or card was live.",
)
orders = Table(
    "orders",
    metadata,
    _key("workspace"),
    _key("order_id"),
    Column("verb", String(16), nullable=False),
    Column("ids", Json, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("ordered_at", Instant, nullable=False),
    Column("receipt", Json, nullable=False),
    comment="What the registry carried out. A repeated order id answers with its receipt and changes nothing.",
)
sequences = Table(
    "sequences",
    metadata,
    _key("workspace"),
    Column("last", BigInteger, nullable=False),
    comment="SQLite's arrival numbers, taken under the one writer's lock; PostgreSQL has a real sequence.",
)
users = Table(
    "users",
    metadata,
    _key("workspace"),
    _key("user_key"),
    Column("email", Text),
    Column("phone", Text),
    Column("push_tokens", Json, nullable=False),
    Column("time_zone", String(255)),
    Column("first_name", Text),
    Column("attributes", Json, nullable=False),
    Column("consent", Json, nullable=False),
    Column("newest_t", Instant),
    Column("created_at", Instant, nullable=False),
    Column("said_at", Json, nullable=False, server_default=text("'{}'")),
    Column("said_by", Json, nullable=False, server_default=text("'{}'")),
    comment="One row a user. newest_t is the newest interaction judged; anything not after it is judged by folding.",
)
SEPARATORS = " -()."
"""What people write between the digits of a phone number."""


def bare_number(phone: Any) -> Any:
    """Return the SQL expression of a phone number without separators, as it is compared and indexed."""
    for separator in SEPARATORS:
        phone = func.replace(phone, literal_column(f"'{separator}'"), literal_column("''"))
    return phone


Index("users_by_email", users.c.workspace, func.lower(users.c.email))
Index("users_by_phone", users.c.workspace, bare_number(users.c.phone))
user_aliases = Table(
    "user_aliases",
    metadata,
    _key("workspace"),
    _key("external_id"),
    Column("user_key", String(64), nullable=False),
    Column("rank", Integer, nullable=False, server_default=text("0")),
    Column("anonymous", Boolean, nullable=False, server_default=text("false")),
    Index("user_aliases_key", "workspace", "user_key"),
    comment="The ids by which services know a user.",
)
erased_users = Table(
    "erased_users",
    metadata,
    _key("workspace"),
    Column("mark", String(64), primary_key=True),
    Column("erased_at", Instant, nullable=False),
    comment="The marks of erased users: keyed hashes of their ids and addresses, which no request can address.",
)
erasure_secret = Table(
    "erasure_secret",
    metadata,
    Column("secret", String(64), primary_key=True),
    comment="The secret of this installation that the marks are made with, in hexadecimal; one row.",
)
user_joins = Table(
    "user_joins",
    metadata,
    _key("workspace"),
    _key("previous_id"),
    _key("id"),
    Column("joined_at", Instant, primary_key=True),
    Column("user_key", String(64), nullable=False),
    Column("joined_by", Text),
    Column("route", String(16), nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", Text),
    Index("user_joins_key", "workspace", "user_key"),
    Index("user_joins_id", "workspace", "id"),
    comment="Which ids were joined into which users, by whom, and until when.",
)
consent_changes = Table(
    "consent_changes",
    metadata,
    Column("workspace", String(255), nullable=False),
    Column("seq", Serial, primary_key=True),
    Column("user_key", String(64), nullable=False),
    Column("channel", String(255), nullable=False),
    Column("old_state", String(16)),
    Column("state", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("stated_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text),
    Column("provider", String(32)),
    Column("event", String(32)),
    Index("consent_changes_of_user", "workspace", "user_key", "seq"),
    comment="Each change of a user's consent to a channel: old and new state, when, and how it came about.",
)
cleanups = Table(
    "cleanups",
    metadata,
    _key("workspace"),
    Column("holder", String(64)),
    Column("leased_until", Instant),
    Column("began_at", Instant),
    Column("succeeded_at", Instant),
    Column("fault", Text),
    Column("deleted", Json, nullable=False),
    comment="Who deletes what is past its use, and when a run last came to its end.",
)
interactions = Table(
    "interactions",
    metadata,
    Column("workspace", String(255), nullable=False),
    Column("day", Date, nullable=False),
    Column("id", String(255), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("topic", String(255), nullable=False),
    Column("target", String(255)),
    Column("target_kind", String(16)),
    Column("t", Instant, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("properties", Json, nullable=False),
    # `day` is in it only because PostgreSQL wants that: an id is looked up without it, on all days (M6).
    PrimaryKeyConstraint("workspace", "user_key", "id", "day"),
    Index("interactions_of_user", "workspace", "user_key", "t"),
    Index("interactions_of_type", "workspace", "user_key", "topic", "t"),
    Index("interactions_on_target", "workspace", "target", "topic"),
    Index("interactions_received", "workspace", "received_at"),
    postgresql_partition_by="RANGE (day)",
    comment="The log. day is the UTC date of t; on PostgreSQL the table is partitioned by it.",
)
follow_ups = Table(
    "follow_ups",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("campaign", String(255), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("window_id", BigInteger, nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("trigger_id", String(255), nullable=False),
    Column("trigger", Json, nullable=False),
    Column("triggered_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("channels", Json, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32)),
    Column("exception_id", String(255)),
    Column("exception_at", Instant),
    Column("dispatched_at", Instant),
    Column("decided_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("ended_outside", Boolean, nullable=False, server_default=text("false")),
    Column("started_at", Instant),
    Column("signalled_at", Instant),
    Column("resends", Integer, nullable=False, server_default=text("0")),
    Column("moved_to", Instant),
    Column("moved_at", Instant),
    Index(
        "follow_ups_one_wait", "workspace", "campaign", "user_key", "key", unique=True,
        postgresql_where=text("state IN ('waiting', 'held', 'sending')"),
        sqlite_where=text("state IN ('waiting', 'held', 'sending')"),
    ),
    Index("follow_ups_of_user", "workspace", "user_key", "campaign"),
    # The last columns let a list leave out what it does not want without reading the rows.
    Index(
        "follow_ups_of_campaign",
        "workspace", "campaign", "state", "triggered_at", "id", "reason", "decided_at",
    ),
    Index("follow_ups_of_state", "workspace", "state", "triggered_at", "id", "reason", "decided_at"),
    Index(
        "follow_ups_by_time", "workspace", "next_at", "id",
        postgresql_where=text("state IN ('waiting', 'held', 'sending')"),
        sqlite_where=text("state IN ('waiting', 'held', 'sending')"),
    ),
    Index(
        "follow_ups_to_start", "workspace", "due_at",
        postgresql_where=text("started_at IS NULL AND state = 'waiting'"),
        sqlite_where=text("started_at IS NULL AND state = 'waiting'"),
    ),
    Index(
        "follow_ups_to_signal", "workspace", "decided_at",
        postgresql_where=text("ended_outside AND started_at IS NOT NULL AND signalled_at IS NULL"),
        sqlite_where=text("ended_outside AND started_at IS NOT NULL AND signalled_at IS NULL"),
    ),
    Index(
        "follow_ups_moved", "workspace", "moved_at",
        postgresql_where=text("moved_at IS NOT NULL"), sqlite_where=text("moved_at IS NOT NULL"),
    ),
    # Who received what when, or was enrolled: what was sent today.
    Index(
        "follow_ups_reached", "workspace", "campaign", "decided_at", "user_key", "state",
        postgresql_where=text("state IN ('sent', 'control')"), sqlite_where=text("state IN ('sent', 'control')"),
    ),
    comment="One user's passage through one follow-on. trigger is {kind, topic, target, target_kind, properties}.",
)  # fmt: skip
follow_up_counts = Table(
    "follow_up_counts",
    metadata,
    _key("workspace"),
    _key("campaign"),
    Column("state", String(16), primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Index("follow_up_counts_to_fold", "workspace", postgresql_where=text("slot <> 0"), sqlite_where=text("slot <> 0")),
    comment="How many follow-ups and refusals there are, kept by triggers; a count is the sum over its slots.",
)
reached_users = Table(
    "reached_users",
    metadata,
    _key("workspace"),
    _key("campaign"),
    _key("user_key"),
    Column("at", Instant),
    Column("steps", Integer, nullable=False),
    Column("control", Boolean),
    Column("variant", String(255)),
    sqlite_with_rowid=False,
    comment="Which steps of a campaign a user reached, first when, and the user's assignment; kept by triggers.",
)
deliveries = Table(
    "deliveries",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("follow_up_id", String(255), nullable=False),
    Column("campaign", String(255), nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32)),
    Column("fault", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("claimed_at", Instant),
    Column("decided_at", Instant),
    Column("provider_id", Text),
    Column("detail", Text),
    Index("deliveries_of_follow_up", "workspace", "follow_up_id"),
    # A message that failed may be sent again, as another delivery: at most one of a channel's has not failed.
    Index(
        "deliveries_one_each", "workspace", "follow_up_id", "channel", unique=True,
        postgresql_where=text("state <> 'failed'"), sqlite_where=text("state <> 'failed'"),
    ),
    Index("deliveries_of_user", "workspace", "user_key", "claimed_at"),
    Index(
        "deliveries_by_provider", "workspace", "provider_id",
        postgresql_where=text("channel IN ('email', 'sms')"),
        sqlite_where=text("channel IN ('email', 'sms')"),
    ),
    Index(
        "deliveries_open", "workspace", "channel", "fault",
        postgresql_where=text("state = 'open'"), sqlite_where=text("state = 'open'"),
    ),
    Index(
        "deliveries_template_failed", "workspace", "campaign", "detail",
        postgresql_where=text("reason = 'template_failed'"), sqlite_where=text("reason = 'template_failed'"),
    ),
    comment="One message on one channel: open, claimed, sent, dropped, failed or unknown.",
)  # fmt: skip
message_texts = Table(
    "message_texts",
    metadata,
    _key("workspace"),
    _key("delivery_id"),
    Column("user_key", String(64), nullable=False),
    Column("content", Json, nullable=False),
    Column("cut", Json, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("message_texts_of_user", "workspace", "user_key"),
    Index("message_texts_expiring", "workspace", "expires_at"),
    comment="Messages as they were rendered, before tracking, while CONNECTOR_KEEP_MESSAGES keeps them.",
)
receipts = Table(
    "receipts",
    metadata,
    _key("workspace"),
    _key("campaign"),
    _key("user_key"),
    Column("key", Text, primary_key=True),
    Column("received_at", Instant, nullable=False),
    comment="Who received what last (T1, W3); kept beyond the log.",
)
assignments = Table(
    "assignments",
    metadata,
    _key("workspace"),
    _key("campaign"),
    _key("user_key"),
    Column("control", Boolean, nullable=False),
    Column("variant", String(255)),
    comment="The first assignment to control group and variant, which is kept (T4).",
)
decisions = Table(
    "decisions",
    metadata,
    Column("workspace", String(255), nullable=False),
    Column("seq", Serial, primary_key=True),
    Column("campaign", String(255), nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("interaction_id", String(255), nullable=False),
    Column("t", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("decided_at", Instant, nullable=False),
    Index("decisions_of_user", "workspace", "user_key", "t"),
    Index("decisions_of_state", "workspace", "state", "t", "seq", "campaign", "reason"),
    Index("decisions_of_campaign", "workspace", "campaign", "state", "t", "seq", "reason"),
    postgresql_partition_by="RANGE (decided_at)",
    comment="Refusals at the trigger, and late exceptions that were noted; on PostgreSQL partitioned by their day.",
)
launches = Table(
    "launches",
    metadata,
    _key("workspace"),
    _key("launch_id"),
    Column("campaign", String(255), nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("changed_in", BigInteger, nullable=False),
    Column("told_in", BigInteger, nullable=False),
    Column("started_at", Instant),
    Column("begun_at", Instant),
    Column("cursor", String(255)),
    Column("paged_at", Instant),
    Column("kept_up_at", Instant, nullable=False),
    Column("minute_at", Instant),
    Column("minute_count", Integer, nullable=False),
    Column("ended_at", Instant),
    Index("launches_of_campaign", "workspace", "campaign", unique=True),
    comment="A scheduled original on its way to its audience: how far it has come, and what its workflow knows.",
)
channel_windows = Table(
    "channel_windows",
    metadata,
    _key("workspace"),
    _key("channel"),
    Column("at", Instant),
    Column("count", Integer, nullable=False),
    comment="The messages of each channel with a rate in the window that began at `at`.",
)
inbox = Table(
    "inbox",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("delivery_id", String(255), nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("campaign", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("content", Json, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("inbox_of_user", "workspace", "user_key", "expires_at"),
    Index("inbox_expiring", "workspace", "expires_at"),
    comment="In-app messages and cards as they were rendered for one user; id is made of the delivery's.",
)
inbox_marks = Table(
    "inbox_marks",
    metadata,
    _key("workspace"),
    _key("user_key"),
    _key("message"),
    Column("viewed_at", Instant),
    Column("dismissed_at", Instant),
    comment="When a user first viewed, and dismissed, a message of the inbox or a published card.",
)
keys = Table(
    "keys",
    metadata,
    _key("workspace"),
    _key("id"),
    Column("name", String(255), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rate", Float),
    Column("lifetime_seconds", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    comment="Who may call the API. digest is the SHA-256 of the key's secret, which is kept nowhere.",
)
unmatched_reports = Table(
    "unmatched_reports",
    metadata,
    _key("workspace"),
    _key("provider"),
    _key("event_id"),
    Column("kind", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("user_id", Text),
    Column("address", Text),
    Column("event", Json, nullable=False),
    Index("unmatched_reports_in_order", "workspace", "at", "provider", "event_id"),
    Index("unmatched_reports_received", "workspace", "received_at"),
    Index("unmatched_reports_of_user", "workspace", "user_id"),
    Index("unmatched_reports_of_address", "workspace", "address"),
    comment="What providers told that could not be led back: kept as it was told, and led back later.",
)
dead_addresses = Table(
    "dead_addresses",
    metadata,
    _key("workspace"),
    _key("channel"),
    Column("address", Text, primary_key=True),
    Column("dead", Boolean, nullable=False),
    Column("said_at", Instant, nullable=False),
    Column("user_key", String(255)),
    Index("dead_addresses_of_user", "workspace", "user_key"),
    comment="What providers told of addresses last: whoever has a dead one is not written to.",
)
heeded_reports = Table(
    "heeded_reports",
    metadata,
    _key("workspace"),
    _key("provider"),
    _key("event_id"),
    Column("received_at", Instant, nullable=False),
    Index("heeded_reports_received", "workspace", "received_at"),
    comment="Which bounces, complaints and wishes have been heeded, so that one told again changes nothing.",
)
audit = Table(
    "audit",
    metadata,
    Column("workspace", String(255), nullable=False),
    Column("seq", Serial, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Text),
    Column("origin", Text),
    Column("request_id", String(64)),
    Column("action", String(32), nullable=False),
    Column("subject", String(255)),
    Column("details", Json, nullable=False),
    Column("reason", Text),
    Column("outcome", String(16), nullable=False),
    Column("act_id", String(255)),
    Index("audit_in_order", "workspace", "seq"),
    Index("audit_of_subject", "workspace", "subject", "seq"),
    Index("audit_of_act", "workspace", "act_id"),
    comment="Who did what, from where, when, why. Append-only; a user is named by user_key only.",
)
