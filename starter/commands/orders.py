"""`connector publish`, `stop`, `resume` and `archive`: submit orders to the registry, each all or nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.errors import OrderRefused
from connector.rules.model.printable import escape_line
from starter.commands.calls import run_act, run_operation
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.operations.order_keys import KEY_PATTERN, OrderKey
from starter.operations.orders import give_order, preview_resuming
from starter.terminal import print_json, print_note, print_result, print_warnings

IdsArgument = Annotated[list[str], typer.Argument(help="The ids of campaigns and cards.", show_default=False)]

KeyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="1 to 255 visible ASCII characters: the same order with the same key is carried out once.",
    ),
]

_PAST_TENSE = {"publish": "published", "stop": "stopped", "resume": "resumed", "archive": "archived"}


def publish(
    ids: IdsArgument,
    with_follow_ons: Annotated[
        bool, typer.Option("--with-follow-ons", help="Also publish the draft follow-ons that these trigger.")
    ] = False,
    allow_missed: Annotated[
        bool, typer.Option("--allow-missed", help="Publish even if a draft follow-on would miss the launch.")
    ] = False,
    key: KeyOption = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the newest saved revisions live, follow-ons before their targets; all of them or none.

    Examples:

      connector publish welcome

      connector publish --with-follow-ons welcome spring-banner
    """
    _order("publish", ids, key, reason, data, as_json, with_follow_ons=with_follow_ons, allow_missed=allow_missed)


def stop(
    ids: IdsArgument,
    key: KeyOption = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop campaigns and cards: waiting and held follow-ups end as `dropped: stopped`, and no new ones start.

    Example:

      connector stop nudge
    """
    _order("stop", ids, key, reason, data, as_json)


def resume(
    ids: IdsArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would happen, and to how many users of launches.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    key: KeyOption = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make stopped campaigns and cards live again, unchanged; interactions while they were stopped do not count.

    A scheduled original goes on: users whose time has come get the message at once, unless it passed more than
    `stale_after` ago. In a terminal, the command says to how many users that happens, and asks for confirmation.

    Examples:

      connector resume nudge

      connector resume spring-sale --dry-run --json
    """
    if dry_run:
        return _print_resume_preview(_preview_resume(ids, data), as_json)
    if not yes and sys.stdin.isatty():
        _confirm_resume(_preview_resume(ids, data))
    return _order("resume", ids, key, reason, data, as_json)


def archive(
    ids: IdsArgument,
    key: KeyOption = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop campaigns and cards for good; they cannot be edited or published any more.

    Example:

      connector archive last-spring
    """
    _order("archive", ids, key, reason, data, as_json)


def _preview_resume(ids: list[str], data: Path | None) -> dict[str, Any]:
    try:
        return run_operation(data, preview_resuming, ids)
    except OrderRefused as refusal:
        _print_refusal("resume", refusal)
        raise typer.Exit(1) from None


def _print_resume_preview(preview: dict[str, Any], as_json: bool) -> None:
    print_warnings(preview["warnings"])
    if as_json:
        return print_json(preview)
    for id in preview["changed"]:
        print_result(f"would resume {id}")
    for one in preview["launches"]:
        print_result(f"{one['campaign']}: {one['at_once']} at once, {one['stale']} stale, {one['later']} later")
    return None


def _confirm_resume(preview: dict[str, Any]) -> None:
    """Ask for confirmation if the resume sends, or drops, messages of a launch."""
    if any(one["at_once"] or one["stale"] for one in preview["launches"]):
        print_warnings(preview["warnings"])
        typer.confirm(escape_line(f"Resume {', '.join(preview['changed'])}?"), abort=True, err=True)


def _print_refusal(verb: OrderVerb, refusal: OrderRefused) -> None:
    print_note(f"{verb} is refused, and nothing was changed:")
    for problem in refusal.problems:
        print_note(f"  {problem}")


def _order(
    verb: OrderVerb,
    ids: list[str],
    key: str | None,
    reason: str | None,
    data: Path | None,
    as_json: bool,
    *,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
) -> None:
    order_key = _parse_key(key)
    check_reason(reason)
    try:
        receipt = run_act(
            data,
            give_order,
            verb,
            ids,
            reason=reason,
            with_follow_ons=with_follow_ons,
            allow_missed=allow_missed,
            key=order_key,
        )
    except OrderRefused as refusal:
        _print_refusal(verb, refusal)
        raise typer.Exit(1) from None
    _print_receipt(receipt, as_json)


def _parse_key(text: str | None) -> OrderKey | None:
    if text is None:
        return None
    if not re.fullmatch(KEY_PATTERN, text):
        raise typer.BadParameter("--idempotency-key has 1 to 255 visible ASCII characters, without spaces")
    return OrderKey(text, caller="command line")


def _print_receipt(receipt: dict[str, Any], as_json: bool) -> None:
    print_warnings(receipt["warnings"])
    if as_json:
        return print_json(receipt)
    for id in receipt["changed"]:
        print_result(f"{_PAST_TENSE[receipt['verb']]} {id} as of {receipt['effective_at']}")
    for id in receipt["unchanged"]:
        print_result(f"unchanged {id}")
    return None
