"""The request of `starter.operations.plan`."""

from __future__ import annotations

from connector.definitions import Definitions
from starter.operations.plan import plan_definitions
from starter.remote.registration import LONG_SECONDS, Request, over_http
from starter.remote.requests.drafts import files_of


@over_http(plan_definitions)
def _plan(definitions: Definitions, *, allow_missed: bool = False) -> Request:
    body = {**files_of(definitions), "allow_missed": allow_missed}
    return Request("POST", "/v1/plan", body=body, is_repeatable=True, seconds=LONG_SECONDS)
