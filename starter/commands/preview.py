"""`connector preview`: what a campaign sends to a user, message by message, and a marked test send."""

from __future__ import annotations

import json
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.definitions.reading import read_utf8_file
from starter.commands.calls import run_act, run_operation
from starter.commands.files import NotWritten, write_file
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.operations.marked_sends import send_test
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages
from starter.terminal import print_each, print_json, print_note, print_result

_SIGNS = {"passes": "✓", "held": "…"}
_UNITS = {"GSM-7": "septets", "UCS-2": "units"}


def preview(
    campaign: Annotated[str, typer.Argument(help="Its newest saved revision is shown, draft or live.")],
    user: Annotated[str | None, typer.Option(help="A user's id, as services report it.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help='Fields of a profile as JSON, like \'{"first_name": "Ann"}\': of the user, or an invented one.'
        ),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    variant: Annotated[str | None, typer.Option(help="This variant, not the one that the user is assigned.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An edited definition, and others that it needs, in YAML."),
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="The item that triggers, as JSON; by default the user's newest that fits.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The live revision, not the newest saved one.")] = False,
    revision: Annotated[
        int | None, typer.Option(min=1, help="Preview this published revision, not the newest saved one.")
    ] = None,
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the email's HTML to this file.")] = None,
    open_html: Annotated[bool, typer.Option("--open", help="Open the email's HTML in a browser.")] = False,
    send_to: Annotated[
        str | None,
        typer.Option(help="Send one message, marked as a test, to this email address, phone number or push token."),
    ] = None,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a campaign sends to a user, exactly as it is sent, and what the rules decide about it now.

    Nothing is sent or changed, unless --send-to is given: then one message goes out through the channel's real
    provider, marked with [Test], without tracked links, and without making a follow-up, an interaction or a receipt.

    Without --user and --profile, the message of a user of whom nothing is known is shown.

    Examples:

      connector preview cart-reminder --user u-17

      connector preview welcome --profile '{"first_name": "Ann"}' --channel email --open

      connector preview cart-reminder --user u-17 --file edited.yaml --json

      connector preview welcome --user u-17 --channel email --send-to me@shop.example
    """
    check_reason(reason)
    definition = None if file is None else read_utf8_file(file)
    choice = Choice(
        campaign,
        definition,
        user,
        _read_object("--profile", profile),
        channel,
        variant,
        _read_object("--trigger", trigger),
        live,
        revision,
    )
    if send_to is not None:
        return _show_sent(run_act(data, send_test, choice, send_to, reason=reason), as_json)
    shown = run_operation(data, preview_messages, choice)
    if as_json:
        print_json(shown)
    else:
        print_each(_describe(shown))
    if html is not None or open_html:
        _write_html(shown, html, open_html)
    return None


def _read_object(option: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{option} must be a JSON object, like {{"first_name": "Ann"}}')
    return value


def _show_sent(sent: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(sent)
    if sent["is_printed"]:
        return print_result(
            f"{sent['channel']} has no provider here: `connector dev` prints its messages, nothing was sent"
        )
    accepted = f", the provider's id is {sent['provider_id']}" if sent["provider_id"] else ""
    return print_result(f"a test message of {sent['campaign']} was sent by {sent['channel']}{accepted}")


def _write_html(shown: Mapping[str, Any], file: Path | None, open_html: bool) -> None:
    """Write the email's HTML, with its links as written; open it in a browser if that is asked for."""
    email = next((one["form"] for one in shown["messages"] if one["channel"] == "email" and one["form"]), None)
    if email is None or email["html"] is None:
        raise NotWritten(f"{shown['campaign']} has no email with html that can be rendered for this user")
    if file is None:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".html", delete=False) as written:
            written.write(email["html"])
        file = Path(written.name)
    else:
        write_file(file, email["html"])
    print_note(f"the email's HTML is in {file}")
    if open_html and not webbrowser.open(file.resolve().as_uri()):
        print_note("no browser could be opened")


def _describe(shown: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a preview."""
    revision = "an edited definition" if shown["revision"] is None else f"revision {shown['revision']}"
    who = "a user who was invented" if shown["user"]["is_invented"] else shown["user"]["id"]
    state = shown["state"] or "not saved"
    yield f"{shown['campaign']} ({revision}; the campaign is {state}) for {who}, as of {shown['as_of']}"
    if shown["trigger"] is not None:
        yield f"  triggered now by {_describe_trigger(shown['trigger'])}"
    yield f"  due at {shown['due_at']}" + (f", variant {shown['variant']}" if shown["variant"] else "")
    yield from _describe_checks(shown["checks"], "  ")
    for message in shown["messages"]:
        yield ""
        yield from _describe_message(message)


def _describe_trigger(trigger: Mapping[str, Any]) -> str:
    target = trigger["campaign"] or trigger["card"]
    properties = json.dumps(trigger["properties"], ensure_ascii=False) if trigger["properties"] else ""
    origin = "invented" if trigger["is_sample"] else trigger["id"]
    return " ".join(
        part for part in (trigger["type"], f"of {target}" if target else "", properties, f"({origin})") if part
    )


def _describe_message(message: Mapping[str, Any]) -> Iterator[str]:
    reason = f" ({message['reason']})" if message["reason"] else ""
    yield f"{message['channel']}: {message['words']}{reason}"
    if message["fault"] is not None:
        detail = message["fault"]["detail"]
        yield f"  {message['fault']['words']} [{message['fault']['code']}]" + (f": {detail}" if detail else "")
    yield from _describe_checks(message["checks"], "  ")
    for missing in message["missing"]:
        yield f"  {missing['variable']} has no value for this user ({missing['key']})"
    if message["form"] is not None:
        yield from (f"  {line}" for line in _describe_form(message["channel"], message["form"]))
    if message["tracking"] is not None and message["tracking"]["links"]:
        yield f"  {len(message['tracking']['links'])} links are sent tracked"


def _describe_form(channel: str, form: Mapping[str, Any]) -> Iterator[str]:
    if channel == "email":
        yield from (f"{header['name']}: {header['value']}" for header in form["headers"])
        yield from _block("html", form["html"])
        yield from _block("text", form["text"])
    elif channel == "sms":
        segments = "1 segment" if form["segments"] == 1 else f"{form['segments']} segments"
        yield from _block("text", form["text"])
        yield f"{segments} ({form['encoding']}, {form['units']} {_UNITS[form['encoding']]})"
    else:
        yield from json.dumps(form.get("request", form.get("content")), ensure_ascii=False, indent=2).split("\n")


def _block(name: str, text: str | None) -> Iterator[str]:
    if text is not None:
        yield f"{name}:"
        yield from (f"  {line}" for line in text.splitlines())


def _describe_checks(checks: list[Mapping[str, Any]], indent: str) -> Iterator[str]:
    for check in checks:
        reason = f" ({check['reason']})" if check["reason"] else ""
        yield f"{indent}{_SIGNS.get(check['outcome'], '✗')} {check['words']}{reason}"
        yield from (f"{indent}    {one['words']}" for one in check["looked_at"])
