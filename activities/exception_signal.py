"""What a service or an operator signalled to a follow-up: it goes through intake like every other interaction."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from temporalio import activity

from activities.failures import without_texts
from connector import names
from connector.ingest.intake import Intake, ItemResult
from connector.rules.model.interactions import Event, Interaction
from connector.rules.model.users import ERASED_FAULT
from connector.store.engine.database import Database
from connector.store.users.users import load_users
from connector.wire import ReportedException

_log = structlog.get_logger("report")
_PLACES = Interaction.model_fields.keys() | Event.model_fields.keys() | {"stale", "erased"}


class ExceptionSignalReporter:
    """Takes in what was signalled, for one workspace."""

    def __init__(
        self, database: Database, intake: Intake, workspace: str, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._database, self._intake, self._workspace, self._changed = database, intake, workspace, changed

    @activity.defn(name=names.REPORT_EXCEPTION)
    async def report_exception(self, reported: ReportedException) -> str:
        """Take the item in for the follow-up's user; resolves with accepted, duplicate or invalid.

        An item without a time happened when this activity was scheduled, whichever attempt takes it in. A `user` in it
        counts for nothing: a signal is about the user of the follow-up that it was sent to.
        """
        with without_texts():
            result = await self._take_in(reported)
            _warn(reported, result)
            self._changed()
            return result.status

    async def _take_in(self, reported: ReportedException) -> ItemResult:
        async with self._database.read(self._workspace) as tx:
            users = await load_users(tx, [reported.user_key])
        if reported.user_key not in users:
            return ItemResult("invalid", fault=ERASED_FAULT)
        told_at = activity.info().scheduled_time.isoformat()
        item = {"occurred_at": told_at, **reported.item, "user": users[reported.user_key].user.id}
        [result] = await self._intake.ingest([item])
        return result


def _warn(reported: ReportedException, result: ItemResult) -> None:
    """Say what was wrong without quoting it: words and names of others' could be anything."""
    if result.fault is not None:
        place = re.split("[:.]", result.fault, maxsplit=1)[0]
        known = place if place in _PLACES else "unknown"
        _log.warning("reported_exception_is_invalid", user_key=reported.user_key, place=known)
    if "user" in reported.item:
        _log.warning("reported_exception_names_a_user", user_key=reported.user_key, note="left out; leave it away")
