"""What a service or an operator signalled to a follow-up: it goes through intake like every other interaction."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from temporalio import activity

from connector import names
from connector.intake import Intake
from connector.store.database import Database, database_now
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

        An item without a time happened when it was signalled.
        """
        async with self._database.read() as connection:
            users = await load_users(connection, self._workspace, [reported.user_key])
            now = await database_now(connection)
        if reported.user_key not in users:
            return "invalid"
        item = {"occurred_at": now.isoformat(), **reported.item, "user": users[reported.user_key].user.id}
        [result] = await self._intake.take_in([item])
        if result.status == "invalid":
            _log.warning("signalled_exception_is_invalid", fault=result.fault)
        self._changed()
        return result.status
