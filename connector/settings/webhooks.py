"""Settings of the webhooks with which email providers report events. Without them a provider's webhook is off.

Those of Twilio are in `connector.settings.providers`, because sending uses them too.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.environment import Section
from connector.settings.signing import ProviderSecret, check_provider_secret, read_public_key

_TOPIC = re.compile(r"arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


class SendGridWebhook(Section):
    """The public key that verifies SendGrid's signed Event Webhook."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SENDGRID_WEBHOOK_", extra="ignore")

    key: str | None = None
    tolerance: timedelta = Field(default=timedelta(minutes=10), gt=timedelta(0), le=timedelta(days=1))

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: str | None) -> str | None:
        if key is not None:
            read_public_key(key)
        return key


class SesWebhook(Section):
    """The SNS topics that Amazon SES publishes to."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SES_", extra="ignore")

    topics: list[str] = Field(default_factory=list)

    @field_validator("topics")
    @classmethod
    def _check_topics(cls, topics: list[str]) -> list[str]:
        if not all(map(_TOPIC.fullmatch, topics)):
            raise ValueError("each must be the ARN of an SNS topic, like arn:aws:sns:eu-west-1:123456789012:ses-events")
        return topics


class MailgunWebhook(Section):
    """Mailgun's HTTP webhook signing key."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_MAILGUN_", extra="ignore")

    signing_key: ProviderSecret | None = None


class PostmarkWebhook(Section):
    """The credentials that Postmark sends with its webhooks, which it does not sign."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_POSTMARK_WEBHOOK_", extra="ignore")

    user: Annotated[str, Field(min_length=1, pattern="^[^:]*$")] | None = None
    password: ProviderSecret | None = None
    token: ProviderSecret | None = None

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("USER and PASSWORD go together")
        if self.token is not None and self.user is None:
            raise ValueError("TOKEN is checked in addition to USER and PASSWORD; set those too")
        return self


class ResendWebhook(Section):
    """The signing secret of Resend's webhook."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_RESEND_WEBHOOK_", extra="ignore")

    secret: SecretStr | None = None

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            check_provider_secret(secret.get_secret_value())
        return secret
