"""Reads the settings of this process, and opens the database that they name. Errors name the variable at fault."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError

from connector.rules.model.validation import describe_secretly
from connector.settings.application import ApiLimits, Settings
from connector.settings.client import ClientSettings
from connector.settings.codec import CodecSettings
from connector.settings.environment import SettingsWrong
from connector.settings.inbox import InboxSettings
from connector.settings.providers import Fcm, Smtp, Twilio
from connector.settings.tracking import TrackingSettings
from connector.settings.webhooks import MailgunWebhook, PostmarkWebhook, ResendWebhook, SendGridWebhook, SesWebhook
from connector.store.engine.database import Database

__all__ = ["SettingsWrong", "open_database", "read_settings"]


def read_settings(data: Path | None = None) -> Settings:
    """Read the settings from the environment.

    Args:
        data: the data folder that the command line names; None: that of the environment.

    Raises:
        SettingsWrong: names the variables, and what would be right; never a value, which may be a secret.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsWrong(
            "; ".join(
                f"{_variable_name(error.title, fault['loc'])}: {describe_secretly(fault)}" for fault in error.errors()
            )
        ) from None
    return settings if data is None else settings.model_copy(update={"data": data})


def open_database(settings: Settings) -> Database:
    """Open the database that the settings name, without connecting yet.

    Raises:
        SettingsWrong: its kind is not supported, or its folder cannot be created.
    """
    try:
        return Database.open(
            settings.database,
            seconds=settings.database_timeout_seconds,
            max_connections=settings.database_connections,
            erasure_secret=settings.erasure_secret.get_secret_value() if settings.erasure_secret else None,
        )
    except ArgumentError:
        raise SettingsWrong("CONNECTOR_DATABASE_URL: write postgresql://USER:PASSWORD@HOST/NAME") from None
    except ValueError as error:
        raise SettingsWrong(f"CONNECTOR_DATABASE_URL: {error}") from None
    except OSError as error:
        raise SettingsWrong(f"the data folder {settings.data} cannot be created: {error.strerror}") from None


_WEBHOOKS = (SendGridWebhook, SesWebhook, MailgunWebhook, PostmarkWebhook, ResendWebhook)
_SECTIONS = (
    ApiLimits,
    ClientSettings,
    CodecSettings,
    Smtp,
    Twilio,
    Fcm,
    InboxSettings,
    TrackingSettings,
    *_WEBHOOKS,
)


def _variable_name(model: str, location: tuple[int | str, ...]) -> str:
    """Return the variable at fault, with the place in its list; if several do not go together, their prefix and `*`."""
    prefixes = {section.__name__: section.model_config["env_prefix"] for section in _SECTIONS}
    prefix = prefixes.get(model, Settings.model_config["env_prefix"])
    place = f"[{location[1]}]" if len(location) > 1 and isinstance(location[1], int) else ""
    return prefix + ("_".join(str(step) for step in location[:1]).upper() or "*") + place
