"""`connector audit`: shows who did what, from where, when and why."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from connector.rules.model.audit import AuditAction
from connector.store.audit import AuditFilter
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption, parse_time_option
from starter.operations.audit import MAX_PAGE, read_audit
from starter.terminal import format_table, print_json, print_lines, print_note, print_result


def audit(
    since: Annotated[
        str | None, typer.Option(help="Entries from this time on, with its zone, like 2026-03-02T09:00:00Z.")
    ] = None,
    action: Annotated[AuditAction | None, typer.Option(help="Only this action.")] = None,
    actor: Annotated[
        str | None, typer.Option(help="Only this actor: the id of a key, a user name of the system, or a kind.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Only entries about this campaign, card, key, follow-up or user.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, help="Older entries than this number, which the previous page gives.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="How many entries to list, the newest first.")] = 100,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who did what, from where, when and why, newest first: orders, drafts, keys, joins, erasures.

    requested: recorded before Temporal was asked. done: it took effect. refused: nothing was changed. A user appears by
    the surrogate key, so that an erased user is not named.

    Examples:

      connector audit --since 2026-03-02T00:00:00Z --action stop

      connector audit --actor alice --json
    """
    instant = None if since is None else parse_time_option("--since", since)
    subjects = None if subject is None else (subject,)
    page = run_operation(data, read_audit, AuditFilter(instant, action, actor, subjects, before), limit)
    if as_json:
        return print_json(page)
    return _print_page(page)


def _print_page(page: dict[str, Any]) -> None:
    if not page["entries"]:
        return print_result("there are no entries")
    header = ("at", "actor", "from", "action", "subject", "outcome", "reason", "details")
    print_lines(format_table(header, [_row(entry) for entry in page["entries"]]))
    if page["next"] is not None:
        print_note(f"there are older entries: --before {page['next']}")
    return None


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    actor = entry["actor"]
    name = ":".join(part for part in (actor["kind"], actor["id"]) if part)
    details = json.dumps(entry["details"], ensure_ascii=False) if entry["details"] else None
    words = (entry["origin"], entry["action"], entry["subject"], entry["outcome"], entry["reason"], details)
    return entry["at"], f"{name} ({actor['name']})" if actor["name"] else name, *words
