"""The requests of `starter.operations.bulk`."""

from datetime import timedelta

from connector.rules.model.values import format_duration, format_instant
from starter.operations.bulk import act_on_follow_ups
from starter.operations.bulk_actions import MAX_ACTED_ON, BulkAction
from starter.remote.registration import LONG_SECONDS, Request, act_over_http


@act_over_http(act_on_follow_ups)
def _act(action: BulkAction, *, after: str | None = None, limit: int = MAX_ACTED_ON, dry_run: bool = False) -> Request:
    criteria = vars(action.criteria) | {"since": format_instant(action.criteria.since)}
    options = {"after": after, "limit": limit, "dry_run": dry_run, "note": action.note, "ids": [*action.ids] or None}
    given = criteria | options | {"sent": action.was_sent} | ({} if action.to is None else _time_of(action))
    body = {name: value for name, value in given.items() if value is not None}
    # A page that is repeated finds done what the first attempt did.
    route = f"/v1/follow-ups/{action.verb.replace('_', '-')}"
    return Request("POST", route, body=body, is_repeatable=True, seconds=LONG_SECONDS)


def _time_of(action: BulkAction) -> dict[str, str | None]:
    if isinstance(action.to, timedelta):
        return {"by": format_duration(action.to)}
    return {"until": format_instant(action.to)}
