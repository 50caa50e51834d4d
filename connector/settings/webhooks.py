"""Settings of the webhooks with which email providers report events. Without them a provider's webhook is off.

Those of Twilio are in `connector.settings.providers`, because sending uses them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.durations import Duration, between
from connector.settings.environment import Section, setting
from connector.settings.signing import ProviderSecret, check_provider_secret, read_public_key

_TOPIC = re.compile(r"arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


class SendGridWebhook(Section):
    """The public key that verifies SendGrid's signed Event Webhook."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SENDGRID_WEBHOOK_", extra="ignore")
    title: ClassVar[str] = "SendGrid's webhook"
    read_by: ClassVar[str] = "API"

    key: str | None = setting(
        None,
        "the verification key of [SendGrid's](sources/sendgrid.md) signed Event Webhook, as its dashboard shows it",
        default_text="SendGrid's events are refused",
        hidden=True,
    )
    tolerance: Annotated[Duration, between(most=timedelta(days=1))] = setting(
        timedelta(minutes=10),
        "the largest difference between the signed time and the server's",
    )

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: str | None) -> str | None:
        if key is not None:
            read_public_key(key)
        return key


class SesWebhook(Section):
    """The SNS topics that Amazon SES publishes to."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SES_", extra="ignore")
    title: ClassVar[str] = "Amazon SES's webhook"
    read_by: ClassVar[str] = "API"

    topics: list[str] = setting(
        [],
        "the ARNs of the SNS topics that [Amazon SES](sources/ses.md) publishes its events to",
        form='JSON: `["arn:aws:sns:…"]`',
        default_text="SES's events are refused",
    )

    @field_validator("topics")
    @classmethod
    def _check_topics(cls, topics: list[str]) -> list[str]:
        if not all(map(_TOPIC.fullmatch, topics)):
            raise ValueError("each must be the ARN of an SNS topic, like arn:aws:sns:eu-west-1:123456789012:ses-events")
        return topics


class MailgunWebhook(Section):
    """Mailgun's HTTP webhook signing key."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_MAILGUN_", extra="ignore")
    title: ClassVar[str] = "Mailgun's webhook"
    read_by: ClassVar[str] = "API"

    signing_key: ProviderSecret | None = setting(
        None,
        "[Mailgun's](sources/mailgun.md) HTTP webhook signing key, at least 16 characters",
        default_text="Mailgun's events are refused",
    )


class PostmarkWebhook(Section):
    """The credentials that Postmark sends with its webhooks, which it does not sign."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_POSTMARK_WEBHOOK_", extra="ignore")
    title: ClassVar[str] = "Postmark's webhook"
    read_by: ClassVar[str] = "API"

    user: Annotated[str, Field(min_length=1, pattern="^[^:]*$")] | None = setting(
        None,
        "the user name of the Basic authentication of [Postmark](sources/postmark.md)",
        form="text without colons",
        default_text="Postmark's events are refused",
        hidden=True,
    )
    password: ProviderSecret | None = setting(None, "its password, at least 16 characters")
    token: ProviderSecret | None = setting(
        None,
        "the value that Postmark's custom header `X-Webhook-Token` must have in addition, at least 16 characters",
        default_text="not required",
    )

    def find_contradictions(self) -> Iterator[str]:
        """Yield a sentence for each group of settings that do not go together."""
        user, password = "CONNECTOR_POSTMARK_WEBHOOK_USER", "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD"
        if (self.user is None) != (self.password is None):
            yield f"{user} and {password} go together; set both"
        if self.token is not None and self.user is None:
            yield f"CONNECTOR_POSTMARK_WEBHOOK_TOKEN is checked in addition to {user} and {password}; set those too"


class ResendWebhook(Section):
    """The signing secret of Resend's webhook."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_RESEND_WEBHOOK_", extra="ignore")
    title: ClassVar[str] = "Resend's webhook"
    read_by: ClassVar[str] = "API"

    secret: SecretStr | None = setting(
        None,
        "the signing secret of [Resend's](sources/resend.md) webhook",
        form="`whsec_` and base64",
        default_text="Resend's events are refused",
    )

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            check_provider_secret(secret.get_secret_value())
        return secret
