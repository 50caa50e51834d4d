"""`connector doctor`: checks the installation, and says for each fault what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from connector.app.configuration import read_settings
from connector.app.context import open_context
from connector.app.preflight import NotSetUp, check_data_folder
from connector.health.agreement import check_agreement
from connector.health.checks import Check, CheckName, CheckStatus
from connector.health.facts import DatabaseFacts
from connector.health.probe import Probe, examine_without_database
from connector.health.readiness import Readiness
from connector.settings.application import Settings
from connector.store.engine.outages import Outage
from connector.temporal.client import TemporalLink
from starter.commands.calls import open_api
from starter.commands.options import DataOption, JsonOption
from starter.commands.places import is_remote
from starter.commands.session import start_command
from starter.commands.store_session import run
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

_TIMEOUT_SECONDS = 10.0
_COMPARISON_SECONDS = 60.0


def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check the installation: database, tables, Temporal, workers, providers; exit code 1 if a check fails.

    It shows every check, also if an earlier one fails, and works while everything is down. Run it where a worker
    runs, with the same settings. A sentence says what is wrong and what to do; in brackets is what the database or
    Temporal answered. With CONNECTOR_API_URL it looks from outside: whether the API answers and the key works, and what
    the API says of the rest.

    Examples:

      connector doctor

      connector doctor --json
    """
    if is_remote():
        found = run(_examine_remotely(data))
        print_note("seen from outside, through the API")
    else:
        found = _view(run(_examine(start_command(data, log_level="CRITICAL"))))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if _failed(found):
        raise typer.Exit(1)


async def _examine_remotely(data: Path | None) -> dict[str, Any]:
    from starter.remote.doctor import examine_remotely  # only here: on the store no HTTP client is needed

    async with open_api(read_settings(data).remote) as client:
        return await examine_remotely(client)


async def _examine(settings: Settings) -> Readiness:
    try:
        check_data_folder(settings)
    except NotSetUp as error:
        facts = DatabaseFacts(Outage.UNREACHABLE, str(error))
        found = await examine_without_database(facts, TemporalLink(), settings.workspace, _TIMEOUT_SECONDS)
        unknown = f"it cannot be checked because of `{CheckName.DATABASE}`"
        return replace(found, checks=[*found.checks, Check(CheckName.AGREEMENT, CheckStatus.UNKNOWN, unknown)])
    async with open_context(settings) as context:
        probe = Probe(context.database, context.cache, context.workspace, context.temporal)
        found = await probe.read_now(_TIMEOUT_SECONDS)
        agreement = await check_agreement(
            context.database, context.workspace, context.temporal, found, _COMPARISON_SECONDS
        )
        return replace(found, checks=[*found.checks, agreement])


def _view(found: Readiness) -> dict[str, Any]:
    """Return the JSON of the result; a check that is ok has neither problem nor detail."""
    checks = [
        {"name": check.name, "status": check.status, "problem": check.problem, "detail": check.detail}
        for check in found.checks
    ]
    return {"status": found.status("worker"), "checks": checks}


def _failed(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [check for check in found["checks"] if check["status"] == CheckStatus.FAILED]


def _print(found: dict[str, Any]) -> None:
    rows = [(check["name"], check["status"], _way_out(check)) for check in found["checks"]]
    print_lines(format_table(("check", "status", "what to do"), rows))
    failed = len(_failed(found))
    print_result("every check that could be made is ok" if not failed else f"{failed} of {len(rows)} checks failed")


def _way_out(check: dict[str, Any]) -> str:
    return (check["problem"] or "") + (f" [{check['detail']}]" if check["detail"] else "")
