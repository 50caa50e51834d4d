"""What a service or an operator signalled to a follow-up: it goes through intake like every other interaction."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from temporalio import activity

from connector import names
from connector.intake import Intake
from connector.store.database import Database
from connector.store.users import load_users
from connector.wire import ReportedException

_log = structlog.get_logger("report")


class Reporter:
    """Takes in what was signalled, for one workspace."""

    def __init__(
        self, database: Database, intake: Intake, workspace: str, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._database, self._intake, self._workspace, self._changed = database, intake, workspace, changed

    @activity.defn(name=names.REPORT_EXCEPTION)
    async def report_exception(self, reported: ReportedException) -> str:
        """Take the item in for the follow-up's user; resolves with accepted, duplicate or invalid.

        An item without a time happened when this activity was scheduled, whichever attempt takes it in.
        """
        async with self._database.read() as connection:
            users = await load_users(connection, self._workspace, [reported.user_key])
        if reported.user_key not in users:
            return "invalid"
        told_at = activity.info().scheduled_time.isoformat()
        item = {"occurred_at": told_at, **reported.item, "user": users[reported.user_key].user.id}
        [result] = await self._intake.take_in([item])
        if result.fault is not None:
            place, _, _ = result.fault.partition(":")  # the rest may quote what was reported
            _log.warning("reported_exception_is_invalid", user_key=reported.user_key, place=place)
        self._changed()
        return result.status
