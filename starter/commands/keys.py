"""`connector keys`: creates, lists, rotates and revokes API keys."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from connector.rules.model.api_keys import (
    MAX_KEY_RATE,
    KeyState,
    Scope,
    find_lifetime_fault,
    find_name_fault,
    parse_key,
)
from connector.rules.model.values import format_duration
from starter.commands.calls import run_act, run_operation
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason, parse_duration_option
from starter.operations.keys import create_api_key, list_api_keys, revoke_api_key, rotate_api_key
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

KeyIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, as `connector keys list` shows it.", show_default=False)
]

keys = typer.Typer(no_args_is_help=True)


@keys.callback()
def _describe() -> None:
    """Create, list, rotate and revoke keys for the HTTP API.

    A key has a public id and a secret, of which only a hash is kept. A running API applies every change within a
    second.

    Examples:

      connector keys create --name shop --scope ingest

      connector keys list
    """


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.", show_default=False)],
    scope: Annotated[
        list[Scope],
        typer.Option(
            help="What the key allows; repeat it for several scopes, no scope includes another. ingest: report "
            "interactions and users. read: read users, follow-ups and results. manage: campaigns, orders, "
            "erasing users. admin: keys of every scope, and the cleanup. client: for apps and web pages, which then "
            "need a user's token, too.",
            show_default=False,
        ),
    ],
    rate: Annotated[
        float | None, typer.Option(help="Requests per second.", show_default="CONNECTOR_KEY_RATE of the API")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help='How long the key is valid, like "90 days".', show_default="no expiry")
    ] = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it, this once: the key on standard output, its description on standard error.

    Examples:

      KEY=$(connector keys create --name shop --scope ingest)

      connector keys create --name dashboard --scope read --rate 5 --expires "90 days"

      connector keys create --name deploy --scope manage --scope read --json

      connector keys create --name app --scope client --rate 1000
    """
    _check_name(name)
    _check_rate(rate)
    lifetime = None if expires is None else _parse_lifetime(expires)
    check_reason(reason)
    issued = run_act(data, create_api_key, name=name, scopes=list(scope), rate=rate, lifetime=lifetime, reason=reason)
    _print_issued(issued, as_json)


@keys.command("list")
def list_keys(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List every key with its state, without secrets.

    active: valid, without an end. expires: valid until its end. expired, revoked: not valid any more.

    Examples:

      connector keys list

      connector keys list --json
    """
    listed = run_operation(data, list_api_keys)
    if as_json:
        return print_json(listed)
    if not listed["keys"]:
        return print_result("there are no keys yet; create one with `connector keys create --name shop --scope ingest`")
    header = ("id", "name", "scopes", "rate", "state", "until", "created")
    return print_lines(format_table(header, [_row(key) for key in listed["keys"]]))


@keys.command()
def revoke(
    id: KeyIdArgument, reason: ReasonOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Revoke a key: a running API refuses it within a second. This cannot be undone.

    Example:

      connector keys revoke 3f1c0a9e5b7d
    """
    check_reason(reason)
    key = run_act(data, revoke_api_key, _parse_id(id), reason=reason)
    if as_json:
        return print_json(key)
    return print_result(f"{key['id']} ({key['name']}): revoked since {key['revoked_at']}")


@keys.command()
def rotate(
    id: KeyIdArgument,
    overlap: Annotated[
        str, typer.Option(help='How long the old key stays valid; "0 seconds": it expires now.')
    ] = "1 hour",
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key with the name, scopes, rate and lifetime of another, print it this once, and let the old one expire.

    Both are valid during the overlap, so that no request is refused while you deploy the new key.

    Examples:

      KEY=$(connector keys rotate 3f1c0a9e5b7d)

      connector keys rotate 3f1c0a9e5b7d --overlap "0 seconds"
    """
    duration = parse_duration_option("--overlap", overlap)
    check_reason(reason)
    _print_issued(run_act(data, rotate_api_key, _parse_id(id), overlap=duration, reason=reason), as_json)


def _check_name(name: str) -> None:
    if fault := find_name_fault(name):
        raise typer.BadParameter(f"--name: {fault}")


def _check_rate(rate: float | None) -> None:
    if rate is not None and not (math.isfinite(rate) and 0 < rate <= MAX_KEY_RATE):
        raise typer.BadParameter(f"--rate: {rate:g} is not a number of requests above 0, at most {MAX_KEY_RATE:.0f}")


def _parse_lifetime(text: str) -> timedelta:
    lifetime = parse_duration_option("--expires", text)
    if fault := find_lifetime_fault(lifetime):
        raise typer.BadParameter(f"--expires: {fault}")
    return lifetime


def _parse_id(text: str) -> str:
    """Return the id; of a whole key only its id, so that no message shows the secret."""
    key = parse_key(text)
    return text if key is None else key.id


def _print_issued(issued: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(issued)
    print_result(issued["key"])
    described = f"{', '.join(issued['scopes'])}; {_format_rate(issued['rate'])}; {_format_validity(issued)}"
    print_note(f"key {issued['id']} ({issued['name']}): {described}")
    if "replaces" in issued:
        print_note(f"it replaces {issued['replaces']['id']}, which is valid until {issued['replaces']['expires_at']}")
    care = "put it into your app: it is useless without a user's token in `X-User-Token`"
    if Scope.CLIENT not in issued["scopes"]:
        care = "keep it as a secret, never in an app"
    print_note(f"The key is shown this once and stored nowhere: {care}. Send it as `Authorization: Bearer KEY`.")
    return None


def _format_rate(rate: float | None) -> str:
    return "the default rate" if rate is None else f"at most {rate:g} requests per second"


def _format_validity(key: dict[str, Any]) -> str:
    if key["expires_at"] is None:
        return "does not expire"
    lifetime = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])
    return f"valid for {format_duration(lifetime)}, until {key['expires_at']}"


def _row(key: dict[str, Any]) -> tuple[object, ...]:
    until = key["revoked_at"] if key["state"] == KeyState.REVOKED else key["expires_at"]
    rate = "default" if key["rate"] is None else f"{key['rate']:g}"
    return key["id"], key["name"], ",".join(key["scopes"]), rate, key["state"], until, key["created_at"]
