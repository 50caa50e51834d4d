"""The requests of `starter.operations.cleanup`."""

from collections.abc import Callable
from typing import Any

from starter.operations.cleanup import clean_up
from starter.remote.registration import LONG_SECONDS, Request, act_over_http


@act_over_http(clean_up)
def _clean_up(
    *,
    dry_run: bool,
    reason: str | None = None,
    progress: Callable[[Any], None] | None = None,  # a response comes at the end
    seconds: float | None = None,  # the API decides it
) -> Request:
    body = {"dry_run": dry_run, "reason": reason}
    return Request("POST", "/v1/cleanup", body=body, is_repeatable=dry_run, seconds=LONG_SECONDS)
