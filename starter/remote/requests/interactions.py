"""The requests of `starter.operations.interactions`."""

from collections.abc import Sequence
from typing import Any

from starter.operations.interactions import report_interactions
from starter.remote.registration import Request, over_http


@over_http(report_interactions)
def _report(items: Sequence[Any]) -> Request:
    is_repeatable = all(map(_is_recognised, items))
    return Request("POST", "/v1/interactions", body={"interactions": list(items)}, is_repeatable=is_repeatable)


def _is_recognised(item: Any) -> bool:
    """Whether a repetition is a duplicate: by its id, or by the one that is made of what it says and of its time."""
    return isinstance(item, dict) and ("id" in item or "occurred_at" in item)
