"""Which steps of a campaign each user reached, kept by triggers, so that results are read from one row for each user.

The triggers count whatever writes, in its own transaction and without a statement of its own: receipts, opens, clicks
and conversions as they are logged, follow-ups as they are sent or enrolled, assignments as they are made. Whatever
writes these for a user has the user's row locked, so that two transactions never wait for each other here. Only the
cleanup locks no users, when it moves items out of a past day or deletes the rows of an archived campaign: it is tried
again if it waits too long for others.
"""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Instant

revision = "0023"
down_revision = "0022"

_VIEWS = ("view_in_app_message", "view_content_card", "view_news_feed_card")
_CLICKS = (
    "click_in_app_message", "click_in_app_message_button", "click_email", "click_email_alias", "click_push_button",
    "click_push_story_page", "click_sms_link", "click_content_card", "click_news_feed_card",
)  # fmt: skip
_RECEIVES = ("receive_email", "receive_sms", "receive_push", "receive_webhook")
_OTHERS = ("enroll_in_control_group", "open_email", "open_push", "perform_conversion_event")
# Bits: 1 enrolled, 2 sent, 4 opened, 8 opened by people, 16 clicked, 32 clicked by a robot, 64 to 512 converted A to D.
_STEPS = """
CASE WHEN topic IN ({receives}) THEN 2 WHEN topic = 'enroll_in_control_group' THEN 1
  WHEN topic = 'open_email' THEN CASE WHEN {opens} = 'human' AND NOT {robot} THEN 12 ELSE 4 END
  WHEN topic = 'open_push' THEN 12 WHEN topic IN ({views}) THEN 14
  WHEN topic IN ({clicks}) THEN CASE WHEN {robot} THEN 32 ELSE 16 END
  ELSE CASE coalesce({conversion}, 'A') WHEN 'A' THEN 64 WHEN 'B' THEN 128 WHEN 'C' THEN 256 WHEN 'D' THEN 512 ELSE 0
  END END"""
_PROPERTIES = {
    "sqlite": {
        "opens": "json_extract(properties, '$.opens')",
        "conversion": "json_extract(properties, '$.conversion')",
        "robot": "coalesce(json_type(properties, '$.robot') = 'true', 0)",
    },
    "postgresql": {
        "opens": "coalesce(properties ->> 'opens', '')",
        "conversion": "properties ->> 'conversion'",
        "robot": """properties @> '{"robot": true}'""",
    },
}
_NOTHING = {
    "sqlite": {"time": "NULL", "flag": "NULL", "text": "NULL"},
    "postgresql": {"time": "CAST(NULL AS timestamptz)", "flag": "CAST(NULL AS integer)", "text": "CAST(NULL AS text)"},
}
_LOGGED = """
SELECT workspace, target AS campaign, user_key, t AS at, {steps} AS steps, {flag} AS control, {text} AS variant
FROM {log} WHERE target IS NOT NULL AND topic IN ({topics})"""
_REACHED = """
SELECT workspace, campaign, user_key, coalesce(decided_at, created_at) AS at,
  CASE state WHEN 'sent' THEN 2 ELSE 1 END AS steps, {flag} AS control, {text} AS variant FROM {follow_ups}"""
_IS_REACHED = "state IN ('sent', 'control')"
_ASSIGNED = """
SELECT workspace, campaign, user_key, {time} AS at, 0 AS steps, CASE WHEN control THEN 1 ELSE 0 END AS control, variant
FROM {assignments}"""
_ADD = """
INSERT INTO reached_users (workspace, campaign, user_key, at, steps, control, variant)
SELECT workspace, campaign, user_key, {values} FROM ({rows}) AS added WHERE true {grouped}
ON CONFLICT (workspace, campaign, user_key) DO UPDATE SET {changed} WHERE {is_changed}"""
_ANY = {"sqlite": " + ".join(f"max(steps & {1 << bit})" for bit in range(10)), "postgresql": "bit_or(steps)"}
_GROUPED = "GROUP BY workspace, campaign, user_key ORDER BY workspace, campaign, user_key"
_IS_CONTROL = {"sqlite": "{}", "postgresql": "{} = 1"}
_MERGE = {
    "at": "{least}(coalesce(reached_users.at, excluded.at), coalesce(excluded.at, reached_users.at))",
    "steps": "reached_users.steps | excluded.steps",
    "control": "coalesce(reached_users.control, excluded.control)",
    "variant": "coalesce(reached_users.variant, excluded.variant)",
}
_LEAST = {"sqlite": "min", "postgresql": "least"}
# By the rights of the owner, as the counts of migration 0021: whoever writes needs none on this table.
_CREATE = (
    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS "
    "$$ BEGIN {add}; RETURN NULL; END $$",
    "CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()",
)


def upgrade() -> None:
    """Create the table and the triggers, and fill it from what is there."""
    op.create_table(
        "reached_users",
        sa.Column("workspace", sa.String(length=255), nullable=False),
        sa.Column("campaign", sa.String(length=255), nullable=False),
        sa.Column("user_key", sa.String(length=255), nullable=False),
        sa.Column("at", Instant(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("control", sa.Boolean(), nullable=True),
        sa.Column("variant", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "campaign", "user_key"),
        comment="Which steps of a campaign a user reached, first when, and the user's assignment; kept by triggers.",
        sqlite_with_rowid=False,
    )
    dialect = op.get_bind().dialect.name
    for statement in _sqlite() if dialect == "sqlite" else _postgresql():
        op.execute(sa.text(statement.replace(":", "\\:")))
    follow_ups = _reached(dialect, f"follow_ups WHERE {_IS_REACHED}")
    rows = (_logged(dialect, "interactions"), follow_ups, _assigned(dialect, "assignments"))
    op.execute(sa.text(_add(dialect, " UNION ALL ".join(rows), is_grouped=True).replace(":", "\\:")))
    # Results do not read the log any more.
    op.drop_index("interactions_on_target", "interactions")
    op.create_index("interactions_on_target", "interactions", ["workspace", "target", "topic"])


def _add(dialect: str, rows: str, *, is_grouped: bool) -> str:
    is_control = _IS_CONTROL[dialect]
    several = f"min(at), {_ANY[dialect]}, {is_control.format('max(control)')}, max(variant)"
    one = f"at, steps, {is_control.format('control')}, variant"
    merged = {column: value.format(least=_LEAST[dialect]) for column, value in _MERGE.items()}
    different = "IS NOT" if dialect == "sqlite" else "IS DISTINCT FROM"
    return _ADD.format(
        values=several if is_grouped else one,
        rows=rows,
        grouped=_GROUPED if is_grouped else "",
        changed=", ".join(f"{column} = {value}" for column, value in merged.items()),
        is_changed=" OR ".join(f"reached_users.{column} {different} {value}" for column, value in merged.items()),
    )


def _logged(dialect: str, log: str) -> str:
    words = {
        name: _quoted(topics) for name, topics in (("receives", _RECEIVES), ("views", _VIEWS), ("clicks", _CLICKS))
    }
    steps = _STEPS.format(**words, **_PROPERTIES[dialect])
    return _LOGGED.format(steps=steps, log=log, topics=_topics(), **_NOTHING[dialect])


def _reached(dialect: str, follow_ups: str) -> str:
    return _REACHED.format(follow_ups=follow_ups, **_NOTHING[dialect])


def _assigned(dialect: str, assignments: str) -> str:
    return _ASSIGNED.format(assignments=assignments, **_NOTHING[dialect])


def _topics() -> str:
    return _quoted((*_RECEIVES, *_OTHERS, *_VIEWS, *_CLICKS))


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _sqlite() -> list[str]:
    is_logged, is_reached = f"NEW.target IS NOT NULL AND NEW.topic IN ({_topics()})", f"NEW.{_IS_REACHED}"
    log = _new("workspace", "target", "topic", "user_key", "t", "properties")
    reached = _reached("sqlite", _new(*_FOLLOW_UP))
    assigned = _assigned("sqlite", _new("workspace", "campaign", "user_key", "control", "variant"))
    triggers = (
        ("reach_logged", "INSERT ON interactions", is_logged, _logged("sqlite", log)),
        ("reach_inserted", "INSERT ON follow_ups", is_reached, reached),
        ("reach_updated", "UPDATE OF state, decided_at ON follow_ups", is_reached, reached),
        ("reach_assigned", "INSERT ON assignments", "true", assigned),
    )
    return [
        f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {_add('sqlite', rows, is_grouped=False)}; END"
        for name, event, condition, rows in triggers
    ]


def _postgresql() -> list[str]:
    statement, row = "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT", f"FOR EACH ROW WHEN (NEW.{_IS_REACHED})"
    logged, assigned = _logged("postgresql", "new_rows"), _assigned("postgresql", "new_rows")
    reached = _reached("postgresql", _new(*_FOLLOW_UP))
    triggers = (
        ("reach_logged", "INSERT ON interactions", statement, _add("postgresql", logged, is_grouped=True)),
        ("reach_inserted", "INSERT ON follow_ups", row, _add("postgresql", reached, is_grouped=False)),
        ("reach_updated", "UPDATE OF state, decided_at ON follow_ups", row,
         _add("postgresql", reached, is_grouped=False)),
        ("reach_assigned", "INSERT ON assignments", statement, _add("postgresql", assigned, is_grouped=True)),
    )  # fmt: skip
    return [
        text.format(name=name, event=event, each=each, add=add)
        for name, event, each, add in triggers
        for text in _CREATE
    ]


def _new(*columns: str) -> str:
    """Return the row that a trigger is fired by, as a table."""
    return f"(SELECT {', '.join(f'NEW.{column} AS {column}' for column in columns)}) AS new_row"


_FOLLOW_UP = ("workspace", "campaign", "user_key", "state", "decided_at", "created_at")
