"""Which providers are heard: those that are set up, one line each."""

from __future__ import annotations

from collections.abc import Callable

from connector.settings.application import Settings
from connector.settings.signing import read_public_key
from starter.webhooks.mailgun import Mailgun
from starter.webhooks.postmark import Postmark
from starter.webhooks.protocol import Provider
from starter.webhooks.resend import Resend
from starter.webhooks.sendgrid import SendGrid
from starter.webhooks.ses import Ses
from starter.webhooks.twilio import Twilio


def open_providers(settings: Settings) -> dict[str, Provider]:
    """The providers that are set up, by the name that stands in their address, `/webhooks/{name}`."""
    opened = {name: opens(settings) for name, opens in _OPENS.items()}
    return {name: provider for name, provider in opened.items() if provider is not None}


def _sendgrid(settings: Settings) -> Provider | None:
    set_up = settings.sendgrid_webhook
    return SendGrid(read_public_key(set_up.key), tolerance=set_up.tolerance) if set_up.key else None


def _ses(settings: Settings) -> Provider | None:
    return Ses(settings.ses_webhook.topics) if settings.ses_webhook.topics else None


def _mailgun(settings: Settings) -> Provider | None:
    key = settings.mailgun_webhook.signing_key
    return Mailgun(key.get_secret_value()) if key else None


def _postmark(settings: Settings) -> Provider | None:
    set_up = settings.postmark_webhook
    if set_up.user is None or set_up.password is None:
        return None
    token = set_up.token.get_secret_value() if set_up.token else None
    return Postmark(set_up.user, set_up.password.get_secret_value(), token=token)


def _resend(settings: Settings) -> Provider | None:
    secret = settings.resend_webhook.secret
    return Resend(secret.get_secret_value()) if secret else None


def _twilio(settings: Settings) -> Provider | None:
    urls, token = (settings.twilio.webhook_url, settings.twilio.status_callback), settings.twilio.auth_token
    known = [url for url in urls if url]
    return Twilio(token.get_secret_value(), *known) if known and token else None


_OPENS: dict[str, Callable[[Settings], Provider | None]] = {
    "sendgrid": _sendgrid,
    "ses": _ses,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "resend": _resend,
    "twilio": _twilio,
}
