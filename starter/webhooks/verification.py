"""What all proofs share: bodies in JSON, times that are not old, bytes out of base64."""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json

from starter.webhooks.fields import instant_of_seconds
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall


def read_json(body: bytes | str) -> Any:
    """A body as JSON values: at most 200 levels deep, and no numbers that no text of 4,300 digits holds.

    Raises:
        BodyWrong: it is not JSON. The fault's place is told, nothing of the body.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BodyWrong(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise BodyWrong("the body is nested too deeply") from None


def read_object(body: bytes | str) -> dict[str, Any]:
    """A body as one JSON object. Raises BodyWrong, also where it is something else."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise BodyWrong("the body must be a JSON object")
    return value


def check_age(call: WebhookCall, told: datetime | None, *, past: timedelta, future: timedelta) -> None:
    """Raise SignatureWrong where a signed time is missing, or further from the call's own than this."""
    if told is None:
        raise SignatureWrong("the signed time is missing or not one")
    if call.at - told > past:
        raise SignatureWrong(f"the signature is older than {past}; is this an old call, told again?")
    if told - call.at > future:
        raise SignatureWrong("the signature is of a time to come; is this machine's clock right?")


def seconds_header(told: str) -> datetime | None:
    """A header that holds whole seconds since 1970."""
    return instant_of_seconds(told) if told.isascii() and told.isdigit() and len(told) <= 12 else None


def decode_base64(told: str, most: int = 1024) -> bytes | None:
    """The bytes of a text in strict base64; None where it is none or long."""
    try:
        return b64decode(told, validate=True) if told and len(told) <= most else None
    except (binascii.Error, ValueError):
        return None
