"""The settings that hold, and where each comes from, with secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connector.settings.application import Settings
from connector.settings.environment import FILE_SUFFIX
from connector.settings.faults import MASK, hide_credentials
from connector.settings.inventory import Setting, list_settings

_SHOWN_OPTIONS = (
    "host",
    "port",
    "sslmode",
    "sslrootcert",
    "connect_timeout",
    "target_session_attrs",
    "application_name",
)
"""The options in the URL of a database that are no secrets."""
Origin = Literal["default", "environment", "file", "option"]


@dataclass(frozen=True)
class SettingInForce:
    """One setting with its value, as JSON and masked.

    `origin` says where the value comes from, and `given_by` the variable, with the path of its file, or the option.
    """

    setting: Setting
    value: Any
    origin: Origin
    given_by: str | None


def report_settings(
    settings: Settings, environment: Mapping[str, str], options: Mapping[str, str]
) -> list[SettingInForce]:
    """Return every setting with its value and its origin.

    Args:
        options: the options of the command line that were given, by the variable that each overrides.
    """
    return [_report(setting, settings, environment, options) for setting in list_settings(Settings)]


def _report(
    setting: Setting, settings: Settings, environment: Mapping[str, str], options: Mapping[str, str]
) -> SettingInForce:
    section = settings if setting.part is None else getattr(settings, setting.part)
    value = _mask(setting, getattr(section, setting.name), section.model_dump(mode="json", include={setting.name}))
    if option := options.get(setting.variable):
        return SettingInForce(setting, value, "option", option)
    name = setting.find_variable(environment)
    if name is None:
        return SettingInForce(setting, value, "default", None)
    if name == setting.variable + FILE_SUFFIX:
        path = next(text for variable, text in environment.items() if variable.upper() == name)
        return SettingInForce(setting, value, "file", f"{name}={path}")
    return SettingInForce(setting, value, "environment", name)


def _mask(setting: Setting, value: Any, dumped: dict[str, Any]) -> Any:
    """Return the value as JSON, without secrets: pydantic masks them, and this function those in URLs."""
    if setting.variable == "CONNECTOR_DATABASE_URL" and value is not None:
        return _mask_database(value.get_secret_value())
    shown = dumped[setting.name]
    if setting.is_secret:
        return _shorten(shown)
    return hide_credentials(shown) if isinstance(shown, str) else shown


def _shorten(shown: Any) -> Any:
    """Return the value with pydantic's mask as ours."""
    if isinstance(shown, list):
        return [_shorten(part) for part in shown]
    if isinstance(shown, dict):
        return {name: _shorten(part) for name, part in shown.items()}
    return MASK if isinstance(shown, str) and shown and not shown.strip("*") else shown


def _mask_database(url: str) -> str:
    """Return the URL of a database without its password and those of its options that may be secrets."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return MASK
    shown = {name: value for name, value in parsed.query.items() if name in _SHOWN_OPTIONS}
    return parsed.set(query=shown).render_as_string(hide_password=True)
