"""The requests of `starter.operations.interactions`."""

from collections.abc import Sequence
from typing import Any

from starter.operations.interactions import report_interactions
from starter.remote.registration import Request, over_http


@over_http(report_interactions)
def _report(items: Sequence[Any]) -> Request:
    # A repeated item is a duplicate, also without an id: one is made of what it says.
    return Request("POST", "/v1/interactions", body={"interactions": list(items)})
