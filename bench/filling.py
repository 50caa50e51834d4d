"""Fill a workspace with campaigns, users and follow-ups as after months of work, by one statement a table.

Everything follows from the row's number by arithmetic, so that every run has the same rows. One campaign in a thousand
is as large as the others of its tenth together: it has a tenth of all follow-ups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Table, text

from bench.workspace import BenchWorkspace
from connector.rules.model.campaigns import Campaign
from connector.store.engine.database import database_now
from connector.store.engine.partitions import ensure_partitions
from connector.store.engine.transaction import Transaction
from connector.store.tables import assignments, decisions, deliveries, follow_ups, interactions, user_aliases, users

_SECONDS = 1800.0
_DAYS = 90
_PUBLISHED_AT_ONCE = 250


@dataclass(frozen=True)
class Volume:
    """How many rows to create. Refusals are a fifth as many as follow-ups."""

    campaigns: int = 1_000
    users: int = 100_000
    follow_ups: int = 1_000_000


async def fill(workspace: BenchWorkspace, volume: Volume) -> None:
    """Create the campaigns, users, follow-ups, messages, interactions and refusals of this volume."""
    async with workspace.database.read(workspace.id) as tx:
        today = (await database_now(tx)).date()
    await ensure_partitions(workspace.database, today - timedelta(days=_DAYS + 1), ahead_days=_DAYS + 2)
    await _publish(workspace, volume.campaigns)
    async with workspace.database.write(workspace.id, seconds=_SECONDS) as tx:
        for table, statements in _STATEMENTS:
            await _insert(tx, table, statements, volume)
    async with workspace.database.write(workspace.id, seconds=_SECONDS) as tx:
        if tx.dialect == "postgresql":  # SQLite has no statistics in production either
            await tx.execute(text("ANALYZE"))


async def _publish(workspace: BenchWorkspace, campaigns: int) -> None:
    """Publish half originals of another system and half follow-ons, each of one original and one of the follow-ons."""
    made = [_campaign(number) for number in range(campaigns)]
    for start in range(0, campaigns, _PUBLISHED_AT_ONCE):
        await workspace.publish(made[start : start + _PUBLISHED_AT_ONCE])


def _campaign(number: int) -> Campaign:
    if number % 4 == 3:
        return Campaign.model_validate({"campaign": f"c{number}", "delivery": {"type": "external"}})
    target = number - 1 if number else None
    trigger = {"event": "visit"} if target is None else {"interaction": "click_email", "campaign": f"c{target}"}
    delivery = {
        "type": "action_based",
        "trigger": [trigger],
        "delay": {"after": "1 day"},
        "exceptions": [{"event": "make_purchase"}],
    }
    return Campaign.model_validate(
        {
            "campaign": f"c{number}",
            "delivery": delivery,
            "control_group": 5,
            "conversions": [{"event": "make_purchase"}],
            "variants": [
                {"name": name, "messages": {"email": {"subject": "Hello", "text": "Again", "from": "a@shop.example"}}}
                for name in ("a", "b")
            ],
        }
    )


async def _insert(tx: Transaction, table: Table, statements: Sequence[str], volume: Volume) -> None:
    """Insert with the indexes dropped, and create them anew: that takes a fraction of the time."""
    for index in table.indexes:
        await tx.connection.run_sync(index.drop)
    for statement in statements:
        await tx.connection.exec_driver_sql(_in_dialect(tx, statement, volume))
    for index in table.indexes:
        await tx.connection.run_sync(index.create)


def _in_dialect(tx: Transaction, statement: str, volume: Volume) -> str:
    rows = volume.users if statement in (_USERS, _ALIASES) else volume.follow_ups
    values = _WORDS[tx.dialect] | {"users": str(volume.users), "campaigns": str(volume.campaigns)}
    values |= {"rows": str(rows - 1), "workspace": tx.workspace}
    begin, _, rest = statement.partition("SELECT")
    statement = f"{begin}WITH <numbers> SELECT{rest}" if "FROM numbers" in rest else statement
    for name, value in values.items():
        statement = statement.replace(f"<{name}>", value)
    return statement if tx.dialect == "sqlite" else statement.replace("%", "%%")  # psycopg's placeholders


_WORDS = {
    "sqlite": {
        "numbers": "RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < <rows>)",
        "ago(": "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-1 seconds', (0 - (",
        ")ago": ")) || ' seconds')",
        "day(": "date(",
        ")day": ")",
        "json": "",
        "hash": "(n * 2654435761 / 1024)",
    },
    "postgresql": {
        "numbers": "numbers AS (SELECT n FROM generate_series(0::bigint, <rows>::bigint) AS n)",
        "ago(": "(date_trunc('second', now()) - interval '1 second' - (",
        ")ago": ") * interval '1 second')",
        "day(": "(",
        ")day": " AT TIME ZONE 'UTC')::date",
        "json": "::jsonb",
        "hash": "(n * 2654435761 / 1024)",
    },
}
_CAMPAIGN = "CASE WHEN n % 10 = 0 THEN 'c0' ELSE 'c' || ((n * 97 + n / 1000) % <campaigns>) END"
_USER = "'k' || (CASE WHEN n % 10 = 0 THEN n / 10 % <users> ELSE (n * 7 + n / <users>) % <users> END)"
_STATE = """CASE WHEN <hash> % 100 < 8 THEN 'waiting' WHEN <hash> % 100 < 9 THEN 'held'
  WHEN <hash> % 100 < 65 THEN 'sent' WHEN <hash> % 100 < 80 THEN 'excepted' WHEN <hash> % 100 < 92 THEN 'dropped'
  WHEN <hash> % 100 < 97 THEN 'control' ELSE 'failed' END"""
_REASON = """CASE WHEN <hash> % 100 < 65 THEN NULL WHEN <hash> % 100 < 80 THEN 'exception'
  WHEN <hash> % 100 < 84 THEN 'frequency_capped' WHEN <hash> % 100 < 88 THEN 'no_consent'
  WHEN <hash> % 100 < 92 THEN 'stopped' WHEN <hash> % 100 < 97 THEN 'control_group'
  WHEN <hash> % 100 < 99 THEN 'send_failed' ELSE 'send_unknown' END"""
# What is open was triggered within a day, and is due within the next one, but for one in fifty, which is overdue.
_TRIGGERED = f"(CASE WHEN <hash> % 100 < 9 THEN (n * 37) % 84000 ELSE 90000 + (n * 7919) % ({_DAYS - 2} * 86400) END)"
_NEXT = f"(CASE WHEN <hash> % 5000 < 9 THEN (n * 37) % 84000 - 85500 + 86400 ELSE {_TRIGGERED} - 86400 END)"
_ENDED = f"({_TRIGGERED} - 86400 + n % 50)"
_TRIGGER = """'{"kind": "interaction", "topic": "click_email", "target": "c1", "target_kind": "campaign",
  "properties": {}}'"""
_FOLLOW_UPS = f"""
INSERT INTO follow_ups (workspace, id, campaign, revision, window_id, user_key, key, trigger_id, trigger, triggered_at,
  due_at, next_at, channels, state, reason, exception_id, exception_at, dispatched_at, decided_at, created_at,
  ended_outside, started_at)
SELECT '<workspace>', 'f' || substr(CAST(10000000 + n AS TEXT), 2), {_CAMPAIGN}, 1, 1, {_USER}, CAST(n AS TEXT),
  't' || n,
  {_TRIGGER}<json>,
  <ago(>{_TRIGGERED}<)ago>, <ago(>{_TRIGGERED} - 86400<)ago>, <ago(>{_NEXT}<)ago>, '["email"]'<json>,
  {_STATE}, {_REASON}, CASE WHEN <hash> % 100 BETWEEN 65 AND 79 THEN 'x' || n END,
  CASE WHEN <hash> % 100 BETWEEN 65 AND 79 THEN <ago(>{_ENDED}<)ago> END,
  CASE WHEN <hash> % 100 BETWEEN 9 AND 64 THEN <ago(>{_ENDED}<)ago> END,
  CASE WHEN <hash> % 100 > 8 THEN <ago(>{_ENDED}<)ago> END, <ago(>{_TRIGGERED}<)ago>, false, <ago(>{_TRIGGERED}<)ago>
FROM numbers"""
_DELIVERIES = f"""
INSERT INTO deliveries (workspace, id, follow_up_id, campaign, user_key, channel, state, reason, fault, attempt,
  claimed_at, decided_at)
SELECT '<workspace>', 'f' || substr(CAST(10000000 + n AS TEXT), 2) || '.email',
  'f' || substr(CAST(10000000 + n AS TEXT), 2), {_CAMPAIGN}, {_USER}, 'email',
  CASE WHEN <hash> % 100 < 9 THEN 'open' WHEN <hash> % 100 < 65 THEN 'sent' WHEN <hash> % 100 = 99 THEN 'unknown'
    ELSE 'failed' END, NULL, CASE WHEN <hash> % 100 < 65 THEN NULL ELSE 'http_500' END, 1,
  <ago(>{_ENDED}<)ago>, <ago(>{_ENDED}<)ago>
FROM numbers WHERE <hash> % 100 BETWEEN 9 AND 64 OR <hash> % 100 > 96 OR <hash> % 5000 < 3"""
_LOG = f"""
INSERT INTO interactions (workspace, day, id, seq, user_key, kind, topic, target, target_kind, t, occurred_at,
  received_at, properties)
SELECT '<workspace>', <day(><ago(><at><)ago><)day>, '<topic>' || n, n, {_USER}, 'interaction', '<topic>', {_CAMPAIGN},
  'campaign', <ago(><at><)ago>, <ago(><at><)ago>, <ago(><at><)ago>, '<properties>'<json>
FROM numbers WHERE <some>"""


def _logged(topic: str, at: str, some: str, properties: str = "{}") -> str:
    values = {"topic": topic, "at": at, "some": some, "properties": properties}
    statement = _LOG
    for name, value in values.items():
        statement = statement.replace(f"<{name}>", value)
    return statement


_SENT = "<hash> % 100 BETWEEN 9 AND 64"
_ENROLLED = "<hash> % 100 BETWEEN 92 AND 96"
_LOGGED = (
    _logged("receive_email", _ENDED, _SENT),
    _logged("open_email", f"({_ENDED} - 3000)", f"{_SENT} AND n % 5 < 2", '{"opens": "human"}'),
    _logged("click_email", f"({_ENDED} - 3300)", f"{_SENT} AND n % 11 = 0"),
    _logged("perform_conversion_event", f"({_ENDED} - 3400)", f"({_SENT} OR {_ENROLLED}) AND n % 31 = 0"),
    _logged("enroll_in_control_group", _ENDED, _ENROLLED),
)  # fmt: skip
_USERS = """
INSERT INTO users (workspace, user_key, email, push_tokens, attributes, consent, created_at)
SELECT '<workspace>', 'k' || n, 'u' || n || '@shop.example', '[]'<json>, '{}'<json>, '{}'<json>, <ago(>n<)ago>
FROM numbers"""
_ALIASES = """
INSERT INTO user_aliases (workspace, external_id, user_key) SELECT '<workspace>', 'u' || n, 'k' || n FROM numbers"""
_ASSIGNMENTS = """
INSERT INTO assignments (workspace, campaign, user_key, control, variant)
SELECT workspace, campaign, user_key, max(CASE state WHEN 'control' THEN 1 ELSE 0 END) = 1,
  CASE WHEN max(CASE state WHEN 'control' THEN 1 ELSE 0 END) = 1 THEN NULL
  WHEN length(user_key) % 2 = 0 THEN 'a' ELSE 'b' END
FROM follow_ups WHERE state IN ('sent', 'control') GROUP BY workspace, campaign, user_key"""
_DECISIONS = f"""
INSERT INTO decisions (workspace, campaign, user_key, key, interaction_id, t, state, reason, decided_at)
SELECT '<workspace>', {_CAMPAIGN}, {_USER}, '', 'i' || n, <ago(>{_TRIGGERED}<)ago>,
  CASE n % 50 WHEN 0 THEN 'noted' ELSE 'refused' END,
  CASE n % 50 WHEN 0 THEN 'late_exception' ELSE 'not_in_audience' END, <ago(>{_TRIGGERED}<)ago>
FROM numbers WHERE n % 5 = 0"""
_STATEMENTS: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (users, (_USERS,)),
    (user_aliases, (_ALIASES,)),
    (follow_ups, (_FOLLOW_UPS,)),
    (deliveries, (_DELIVERIES,)),
    (interactions, _LOGGED),
    (assignments, (_ASSIGNMENTS,)),
    (decisions, (_DECISIONS,)),
)
