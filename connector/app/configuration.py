"""The settings of this process, with their faults told by the variables that people set."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import ArgumentError

from connector.rules.model.errors import ConnectorError
from connector.settings.application import ApiLimits, Settings
from connector.settings.inbox import InboxSettings
from connector.settings.providers import Fcm, Smtp, Twilio
from connector.settings.tracking import TrackingSettings
from connector.settings.webhooks import MailgunWebhook, PostmarkWebhook, ResendWebhook, SendGridWebhook, SesWebhook
from connector.store.engine.database import Database


class SettingsWrong(ConnectorError):
    """A CONNECTOR_* variable has a value that cannot be used."""


def read_settings(data: Path | None = None) -> Settings:
    """The settings as the environment has them.

    Args:
        data: the data folder, where the command line names one.

    Raises:
        SettingsWrong: which variable is wrong, and what would be right; never its value, which may be a secret.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsWrong(
            "; ".join(f"{_variable(error.title, fault['loc'])}: {fault['msg']}" for fault in error.errors())
        ) from None
    except SettingsError as error:
        raise SettingsWrong(f'{error}; lists and mappings are written as JSON, like \'["one", "two"]\'') from None
    return settings if data is None else settings.model_copy(update={"data": data})


def open_database(settings: Settings) -> Database:
    """The database that the settings name; nothing is connected yet.

    Raises:
        SettingsWrong: it is of a kind that is not supported, or its folder cannot be made.
    """
    try:
        return Database.open(settings.database)
    except ArgumentError:
        raise SettingsWrong("CONNECTOR_DATABASE_URL: write postgresql://USER:PASSWORD@HOST/NAME") from None
    except ValueError as error:
        raise SettingsWrong(f"CONNECTOR_DATABASE_URL: {error}") from None
    except OSError as error:
        raise SettingsWrong(f"the data folder {settings.data} cannot be made: {error.strerror}") from None


_WEBHOOKS = (SendGridWebhook, SesWebhook, MailgunWebhook, PostmarkWebhook, ResendWebhook)
_PARTS = (ApiLimits, Smtp, Twilio, Fcm, InboxSettings, TrackingSettings, *_WEBHOOKS)


def _variable(model: str, place: tuple[int | str, ...]) -> str:
    """The variable at fault; where several do not go together, what they begin with."""
    parts = {part.__name__: part.model_config["env_prefix"] for part in _PARTS}
    prefix = parts.get(model, Settings.model_config["env_prefix"])
    return prefix + ("_".join(str(step) for step in place[:1]).upper() or "*")
