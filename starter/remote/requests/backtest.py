"""The request of `starter.operations.backtest`, whose deadline is the API's."""

from __future__ import annotations

from starter.operations.backtest import Progress, backtest_campaign
from starter.remote.registration import LONG_SECONDS, Request, over_http, path


@over_http(backtest_campaign)
def _backtest(campaign: str, since: str, *, seconds: float = LONG_SECONDS, progress: Progress | None = None) -> Request:
    where = path("/v1/campaigns/{id}/backtest", id=campaign)
    return Request("POST", where, body={"since": since}, is_repeatable=True, seconds=LONG_SECONDS)
