"""The providers whose webhooks are configured, one line each."""

from __future__ import annotations

from collections.abc import Callable

from connector.settings.application import Settings
from connector.settings.signing import read_public_key
from starter.webhooks.mailgun import Mailgun
from starter.webhooks.postmark import Postmark
from starter.webhooks.protocol import WebhookProvider
from starter.webhooks.resend import Resend
from starter.webhooks.sendgrid import SendGrid
from starter.webhooks.ses import Ses
from starter.webhooks.twilio import Twilio


def open_providers(settings: Settings) -> dict[str, WebhookProvider]:
    """Return the configured providers, by their name in `/webhooks/{name}`."""
    opened = {name: open_provider(settings) for name, open_provider in _OPENERS.items()}
    return {name: provider for name, provider in opened.items() if provider is not None}


def _sendgrid(settings: Settings) -> WebhookProvider | None:
    webhook = settings.sendgrid_webhook
    return SendGrid(read_public_key(webhook.key), tolerance=webhook.tolerance) if webhook.key else None


def _ses(settings: Settings) -> WebhookProvider | None:
    return Ses(settings.ses_webhook.topics) if settings.ses_webhook.topics else None


def _mailgun(settings: Settings) -> WebhookProvider | None:
    key = settings.mailgun_webhook.signing_key
    return Mailgun(key.get_secret_value()) if key else None


def _postmark(settings: Settings) -> WebhookProvider | None:
    webhook = settings.postmark_webhook
    if webhook.user is None or webhook.password is None:
        return None
    token = webhook.token.get_secret_value() if webhook.token else None
    return Postmark(webhook.user, webhook.password.get_secret_value(), token=token)


def _resend(settings: Settings) -> WebhookProvider | None:
    secret = settings.resend_webhook.secret
    return Resend(secret.get_secret_value()) if secret else None


def _twilio(settings: Settings) -> WebhookProvider | None:
    urls, token = (settings.twilio.webhook_url, settings.twilio.status_callback), settings.twilio.auth_token
    configured = [url for url in urls if url]
    return Twilio(token.get_secret_value(), *configured) if configured and token else None


_OPENERS: dict[str, Callable[[Settings], WebhookProvider | None]] = {
    "sendgrid": _sendgrid,
    "ses": _ses,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "resend": _resend,
    "twilio": _twilio,
}
