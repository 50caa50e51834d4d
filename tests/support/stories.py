"""Small stories for `connector simulate`: lines of a timeline in March 2026, and their outcomes in short."""

import json
from typing import Any

from tests.support.builders import BOUGHT, PUSHED, follow_on

LOOKED = {"event": "looked"}
NUDGE = follow_on("f", PUSHED, delay={"after": "1 hour"}, exceptions=[BOUGHT], eligible_again="always")
"""Waits an hour after a push of `o`; a purchase cancels it."""


Row = dict[str, Any]


def at(clock: str) -> str:
    """ "10:00" is on Monday 2026-03-02, "05 10:00" in that March, "10-31 10:00" in that year; or complete; UTC."""
    if "T" in clock:
        return clock
    day, _, time = clock.rpartition(" ")
    month_day = day if "-" in day else f"03-{day or '02'}"
    return f"2026-{month_day}T{time if time.count(':') == 2 else f'{time}:00'}Z"


def order(clock: str, verb: str, *ids: str, **more: Any) -> Row:
    """An order on one campaign, or on several together."""
    return {"at": at(clock), verb: ids[0] if len(ids) == 1 else list(ids), **more}


def person(clock: str, id: str = "u", **more: Any) -> Row:
    """A user who by default can be reached by push."""
    return {"at": at(clock), "user": {"id": id, "push_tokens": ["t"], **more}}


def begin(*ids: str, **more: Any) -> list[Row]:
    """A user at eight, and a publication at nine."""
    return [person("08:00", **more), order("09:00", "publish", *ids)]


def did(clock: str, id: str | None, type: str, t: str | None = None, user: str = "u", **more: Any) -> Row:
    """An interaction or event that arrives at `clock`, and happened at `t` if that is given."""
    named = {} if id is None else {"id": id}
    occurred = {} if t is None else {"occurred_at": at(t)}
    return {"at": at(clock), "interaction": {**named, "user": user, "type": type, **occurred, **more}}


def push(clock: str, id: str, t: str | None = None, user: str = "u", **properties: Any) -> Row:
    """A push of `o` that was received."""
    return did(clock, id, "receive_push", t, user, campaign="o", properties=properties)


def buy(clock: str, id: str, t: str | None = None, user: str = "u", **properties: Any) -> Row:
    """A purchase."""
    return did(clock, id, "make_purchase", t, user, properties=properties)


def look(clock: str, id: str | None, t: str | None = None, user: str = "u", **properties: Any) -> Row:
    """The custom event `looked`."""
    return did(clock, id, "event", t, user, name="looked", properties=properties)


def apply(clock: str, definition: Row) -> Row:
    """An edited definition."""
    return {"at": at(clock), "apply": definition}


def flattened(context: tuple[Any, ...]) -> tuple[list[Row], list[Row]]:
    """Return the definitions and the lines of a story, with lists flattened."""
    flat = [one for part in context for one in (part if isinstance(part, list) else [part])]
    return [one for one in flat if "at" not in one], [one for one in flat if "at" in one]


def yaml_of(definitions: list[Row]) -> str:
    """Return the definitions as YAML documents (JSON is YAML)."""
    return "---\n".join(json.dumps(definition) + "\n" for definition in definitions)


def short(outcome: Row) -> str:
    """Return one outcome in short: decision time (with its day if not the second), campaign, user, trigger, state."""
    decided = clock_of(outcome["decided_at"])
    made = outcome["trigger"].startswith(("receive-", "enroll-", "conver"))
    words = [decided, outcome["campaign"], outcome["user"], "made" if made else outcome["trigger"], outcome["state"]]
    words += [outcome["reason"]] if outcome["reason"] and outcome["state"] not in ("excepted", "control") else []
    words += [outcome["exception"]] if "exception" in outcome else []
    return " ".join([*words, *([",".join(outcome["channels"])] if outcome["channels"] else [])])


def clock_of(instant: str | None) -> str:
    """Return the inverse of `at`; "end" for None."""
    if instant is None:
        return "end"
    day, time = instant.removeprefix("2026-03-").removesuffix("Z").split("T")
    return f"{'' if day == '02' else f'{day} '}{time.removesuffix(':00')}"
