"""`connector keys`: who may call the API, and for what."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from connector.app.api_keys import ApiKeyService, Issued
from connector.rules.model.api_keys import MOST_RATE, Key, KeyState, Scope, read_key
from connector.rules.model.instants import write_instant
from connector.rules.model.values import format_duration
from starter.commands.options import DataOption, JsonOption, parse_length
from starter.commands.session import run, session
from starter.terminal import print_json, print_note, print_result, table

T = TypeVar("T")
_LONGEST_NAME = 255

KeyId = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, as `connector keys list` shows it.", show_default=False)
]

keys = typer.Typer(no_args_is_help=True)


@keys.callback()
def _describe() -> None:
    """Keys for the HTTP API: make, show, take back and replace them.

    A key has an id, which is public, and a secret, of which only a hash is kept. A running API knows of every change
    within a second.

    Examples:

      connector keys create --name shop --scope ingest

      connector keys list
    """


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for, to tell it from others.", show_default=False)],
    scope: Annotated[
        list[Scope],
        typer.Option(
            help="What it may be used for; repeat it for several, none includes another. ingest: report interactions "
            "and users. read: look at users, follow-ups and results. manage: campaigns, orders, erasing users.",
            show_default=False,
        ),
    ],
    rate: Annotated[
        float | None, typer.Option(help="Requests a second.", show_default="CONNECTOR_KEY_RATE, as the API has it")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help='How long it holds, like "90 days".', show_default="for good")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and print it this once: alone on standard output, what it is on standard error.

    Examples:

      KEY=$(connector keys create --name shop --scope ingest)

      connector keys create --name dashboard --scope read --rate 5 --expires "90 days"

      connector keys create --name deploy --scope manage --scope read --json
    """
    _check_name(name)
    _check_rate(rate)
    lifetime = None if expires is None else _lifetime(expires)
    scopes = tuple(known for known in Scope if known in scope)
    _show_issued(_at_desk(data, lambda desk: desk.create(name, scopes, rate=rate, lifetime=lifetime)), as_json)


@keys.command("list")
def show(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show every key that was made, and whether it holds; never its secret.

    active: for good. expires: until its end. expired, revoked: no longer.

    Examples:

      connector keys list

      connector keys list --json
    """
    listed, now = _at_desk(data, lambda desk: desk.listed())
    if as_json:
        return print_json({"keys": [_view(key, now) for key in listed]})
    if not listed:
        return print_result("there are no keys yet; make one with `connector keys create --name shop --scope ingest`")
    header = ("id", "name", "scopes", "rate", "state", "until", "created")
    return print_result(table(header, [_row(key, now) for key in listed]))


@keys.command()
def revoke(id: KeyId, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Let a key hold no longer: a running API refuses it within a second. It cannot be undone.

    Example:

      connector keys revoke 3f1c0a9e5b7d
    """
    key = _at_desk(data, lambda desk: desk.revoke(_id_in(id)))
    if as_json:
        return print_json({"id": key.id, "name": key.name, "revoked_at": write_instant(key.revoked_at)})
    return print_result(f"{key.id} ({key.name}): revoked since {write_instant(key.revoked_at)}")


@keys.command()
def rotate(
    id: KeyId,
    overlap: Annotated[str, typer.Option(help='How long the old key still holds; "0 seconds": not at all.')] = "1 hour",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a key: make one with its name, scopes, rate and lifetime, print it this once, and let the old one expire.

    Both hold during the overlap, so that no request is refused while the new key is put in place.

    Examples:

      KEY=$(connector keys rotate 3f1c0a9e5b7d)

      connector keys rotate 3f1c0a9e5b7d --overlap "0 seconds"
    """
    length = parse_length("--overlap", overlap)
    _show_issued(_at_desk(data, lambda desk: desk.rotate(_id_in(id), overlap=length)), as_json)


def _at_desk(data: Path | None, ask: Callable[[ApiKeyService], Awaitable[T]]) -> T:
    async def work() -> T:
        async with session(data) as context:
            return await ask(ApiKeyService(context.database, context.workspace))

    return run(work())


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(f"--name: write 1 to {_LONGEST_NAME} characters that can be printed")


def _check_rate(rate: float | None) -> None:
    if rate is not None and not (math.isfinite(rate) and 0 < rate <= MOST_RATE):
        raise typer.BadParameter(f"--rate: {rate:g} is not a number of requests more than 0, at most {MOST_RATE:.0f}")


def _lifetime(text: str) -> timedelta:
    lifetime = parse_length("--expires", text)
    if not lifetime:
        raise typer.BadParameter('--expires: a key holds for some time at least; write something like "90 days"')
    return lifetime


def _id_in(text: str) -> str:
    """Whoever has the whole key at hand may name it by that; its secret goes no further, and into no message."""
    key = read_key(text)
    return text if key is None else key.id


def _show_issued(issued: Issued, as_json: bool) -> None:
    key, old = issued.key, issued.replaces
    if as_json:
        replaced = {} if old is None else {"replaces": {"id": old.id, "expires_at": write_instant(old.expires_at)}}
        return print_json({"key": issued.made.text, **_view(key, key.created_at), **replaced})
    print_result(issued.made.text)
    print_note(f"key {key.id} ({key.name}): {', '.join(key.scopes)}; {_rate_words(key)}; {_end_words(key)}")
    if old is not None:
        print_note(f"it replaces {old.id}, which holds until {write_instant(old.expires_at)}")
    print_note(
        "It is shown this once and kept nowhere: store it as a secret, and send it as `Authorization: Bearer KEY`."
    )
    return None


def _rate_words(key: Key) -> str:
    return "the default rate" if key.rate is None else f"at most {key.rate:g} requests a second"


def _end_words(key: Key) -> str:
    if key.lifetime is None:
        return "for good"
    return f"for {format_duration(key.lifetime)}, until {write_instant(key.expires_at)}"


def _view(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "rate": key.rate,
        "state": key.state_at(now),
        "created_at": write_instant(key.created_at),
        "expires_at": write_instant(key.expires_at),
        "revoked_at": write_instant(key.revoked_at),
    }


def _row(key: Key, now: datetime) -> tuple[object, ...]:
    state = key.state_at(now)
    until = key.revoked_at if state is KeyState.REVOKED else key.expires_at
    rate = "default" if key.rate is None else f"{key.rate:g}"
    return key.id, key.name, ",".join(key.scopes), rate, state, write_instant(until), write_instant(key.created_at)
