"""`connector publish`, `stop`, `resume` and `archive`: orders to the registry, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.rules.model.errors import OrderRefused
from connector.rules.model.instants import write_instant
from connector.wire import OrderReceipt
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.operations.orders import Verb, order_now
from starter.terminal import print_json, print_note, print_result, print_warning

Ids = Annotated[list[str], typer.Argument(help="Campaigns and cards, by their ids.", show_default=False)]

_DONE = {"publish": "published", "stop": "stopped", "resume": "resumed", "archive": "archived"}


def publish(
    ids: Ids,
    with_follow_ons: Annotated[
        bool, typer.Option("--with-follow-ons", help="Publish the draft follow-ons that listen to them as well.")
    ] = False,
    allow_missed: Annotated[
        bool, typer.Option("--allow-missed", help="Publish even where a draft follow-on will have missed the launch.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the newest saved revisions live, follow-ons before what they listen to; all or none.

    Examples:

      connector publish welcome

      connector publish --with-follow-ons welcome spring-banner
    """
    _order("publish", ids, data, as_json, with_follow_ons=with_follow_ons, allow_missed=allow_missed)


def stop(ids: Ids, data: DataOption = None, as_json: JsonOption = False) -> None:
    """End their waiting and held follow-ups as `dropped: stopped`, and begin none.

    Example:

      connector stop nudge
    """
    _order("stop", ids, data, as_json)


def resume(ids: Ids, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Make stopped ones live again as they were; what happened meanwhile is not picked up.

    Example:

      connector resume nudge
    """
    _order("resume", ids, data, as_json)


def archive(ids: Ids, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop them for good; they cannot be edited or published any more.

    Example:

      connector archive last-spring
    """
    _order("archive", ids, data, as_json)


def _order(
    verb: Verb,
    ids: list[str],
    data: Path | None,
    as_json: bool,
    *,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
) -> None:
    async def give() -> OrderReceipt:
        async with session(data) as context:
            return await order_now(context, verb, ids, with_follow_ons=with_follow_ons, allow_missed=allow_missed)

    try:
        receipt = run(give())
    except OrderRefused as refusal:
        print_note(f"{verb} is refused, and nothing was changed:")
        for problem in refusal.problems:
            print_note(f"  {problem}")
        raise typer.Exit(1) from None
    _show(receipt, as_json)


def _show(receipt: OrderReceipt, as_json: bool) -> None:
    print_warning(receipt.warnings)
    if as_json:
        return print_json(receipt.model_dump(mode="json"))
    for name in receipt.changed:
        print_result(f"{_DONE[receipt.verb]} {name} as of {write_instant(receipt.effective_at)}")
    for name in receipt.unchanged:
        print_result(f"unchanged {name}")
