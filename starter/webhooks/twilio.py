"""Twilio's status callbacks of our own texts: the delivery's id is in the address, and signed with it.

They come to `POST /webhooks/twilio` like everything that Twilio tells; see `starter/webhooks/routes.py`.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import structlog
from fastapi import Request, Response

from connector.channels.twilio import DELIVERY
from connector.channels.twilio_signature import is_signed
from connector.delivery_reports import DeliveryReport, DeliveryReports
from connector.provider_settings import Twilio
from starter.api.body import read_bounded
from starter.api.errors import ApiError, not_found
from starter.compose import Parts

_LONGEST = 64 * 1024
_MOST_FIELDS = 200
_ARRIVED = {"delivered": True, "read": True, "failed": False, "undelivered": False}

_log = structlog.get_logger("webhooks.twilio")


def is_about_delivery(request: Request) -> bool:
    """Whether it names the delivery of ours that it is about."""
    return bool(dict(parse_qsl(request.url.query)).get(DELIVERY))


async def take_status(request: Request, parts: Parts) -> Response:
    """Take a status callback in. One about a message that is not ours is answered 204 too: Twilio cannot mend it.

    Raises:
        ApiError: 404 where no callback is set up, 403 for a wrong signature, 400 and 413 for a body that is none.
    """
    settings = parts.settings.twilio
    if settings.status_callback is None or settings.auth_token is None:
        raise not_found("/webhooks/twilio")
    form = await _read_form(request)
    _check_signature(request, form, settings)
    report = _report(dict(parse_qsl(request.url.query)).get(DELIVERY), dict(form))
    if report is None:
        _log.warning("report_is_not_understood")
        return Response(status_code=204)
    taken = await _reports(parts).take_in(report)
    if taken == "received":
        parts.outbox.nudge()
    _log.info("delivery_report", outcome=taken, fault=report.fault)
    return Response(status_code=204)


async def _read_form(request: Request) -> list[tuple[str, str]]:
    body = await read_bounded(request, _LONGEST)
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise ApiError(400, "invalid_form", "the body must be a form, application/x-www-form-urlencoded") from None


def _check_signature(request: Request, form: list[tuple[str, str]], settings: Twilio) -> None:
    """By the address as Twilio knows it: what a proxy makes of it on its way does not matter.

    Raises:
        ApiError: 403.
    """
    told = urlsplit(settings.status_callback or "")
    url = told._replace(query=request.url.query, fragment="").geturl()
    token = settings.auth_token.get_secret_value() if settings.auth_token else ""
    if not is_signed(request.headers.get("x-twilio-signature", ""), url, form, token):
        _log.warning("report_with_a_wrong_signature")
        raise ApiError(403, "forbidden", "the signature is not Twilio's for this address and these parameters")


def _report(delivery: str | None, form: dict[str, str]) -> DeliveryReport | None:
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not delivery or not sid or not status or "\0" in delivery + sid:
        return None
    arrived = _ARRIVED.get(status)
    code = form.get("ErrorCode", "")
    fault = f"twilio_{code if code.isdecimal() and code.isascii() and len(code) <= 8 else status}"
    return DeliveryReport(delivery, sid, arrived, fault if arrived is False else None)


def _reports(parts: Parts) -> DeliveryReports:
    retention = timedelta(days=parts.settings.retention_days)
    return DeliveryReports(parts.database, parts.cache, parts.intake, parts.workspace, retention=retention)
