"""Reads the settings of this process, and opens the database that they name. Errors name the variable at fault."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError

from connector.settings.application import Settings
from connector.settings.environment import SettingsWrong
from connector.settings.faults import describe_faults
from connector.settings.inventory import find_unknown, list_sections, list_settings
from connector.store.engine.database import Database

__all__ = ["SettingsWrong", "open_database", "read_settings"]


def read_settings(data: Path | None = None) -> Settings:
    """Read the settings from the environment, and check that it has no other variables CONNECTOR_*.

    Args:
        data: the data folder that the command line names; None: that of the environment.

    Raises:
        SettingsWrong: has a line for every fault, with the variable, what would be right, and the value if it cannot be
            a secret.
    """
    listed = list_settings(Settings)
    faults, parts = list(find_unknown(os.environ, listed)), dict[str, Any]()
    whole: Settings | None = None
    for part, section in reversed(list_sections(Settings)):  # the whole last, with its sections
        try:
            if part is None:
                whole = Settings(**parts)
            else:
                parts[part] = section()
        except ValidationError as error:
            fields = {setting.name: setting for setting in listed if setting.part == part}
            faults += describe_faults(error, fields, os.environ)
            parts |= {} if part is None else {part: section.model_construct()}
    if faults or whole is None:
        raise SettingsWrong("\n".join(sorted(set(faults))))
    return whole if data is None else whole.model_copy(update={"data": data})


def open_database(settings: Settings) -> Database:
    """Open the database that the settings name, without connecting yet.

    Raises:
        SettingsWrong: its kind is not supported, or its folder cannot be created.
    """
    try:
        return Database.open(
            settings.database,
            seconds=settings.database_timeout.total_seconds(),
            max_connections=settings.database_connections,
            erasure_secret=settings.erasure_secret.get_secret_value() if settings.erasure_secret else None,
        )
    except ArgumentError:
        raise SettingsWrong("CONNECTOR_DATABASE_URL: write postgresql://USER:PASSWORD@HOST/NAME") from None
    except ValueError as error:
        raise SettingsWrong(f"CONNECTOR_DATABASE_URL: {error}") from None
    except OSError as error:
        raise SettingsWrong(f"the data folder {settings.data} cannot be created: {error.strerror}") from None
