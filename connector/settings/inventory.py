"""The list of all settings, from the models: for names that are unknown, `connector settings` and docs/settings.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from connector.rules.model.nearest import nearest
from connector.settings.durations import EARLIER_NAMES
from connector.settings.environment import FILE_SUFFIX, Section, find_section, is_secret
from connector.settings.service_links import is_service_link

PREFIX = "CONNECTOR_"


@dataclass(frozen=True)
class Setting:
    """One setting: its variable, and where the models have it.

    `part` is the name of the section in the settings, None for a setting of the whole; `name` is the field.
    """

    variable: str
    section: type[Section]
    part: str | None
    name: str

    @property
    def field(self) -> FieldInfo:
        """The field of the model."""
        return self.section.model_fields[self.name]

    @property
    def is_secret(self) -> bool:
        """Whether a value has a secret in it."""
        return is_secret(self.field.annotation)

    def fact(self, name: str) -> Any:
        """Return a fact of `setting()` that is no constraint; None if it was not given."""
        facts = self.field.json_schema_extra
        return facts.get(name) if isinstance(facts, dict) else None

    @property
    def read_by(self) -> str:
        """The processes that read it."""
        return self.fact("read_by") or self.section.read_by

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that can set it: its own, the one of its file, and its earlier name."""
        file = [self.variable + FILE_SUFFIX] if self.is_secret else []
        earlier = [EARLIER_NAMES[self.variable].name] if self.variable in EARLIER_NAMES else []
        return (self.variable, *file, *earlier)

    def find_variable(self, environment: Mapping[str, str]) -> str | None:
        """Return the variable that sets it, by its name in capitals; None if none does."""
        given = {name.upper() for name, text in environment.items() if not is_service_link(name, text)}
        return next((name for name in self.variables if name in given), None)


def list_sections(whole: type[Section]) -> list[tuple[str | None, type[Section]]]:
    """Return the whole, named None, and its sections with the names of their fields, in their order."""
    fields = whole.model_fields.items()
    parts = [(name, part) for name, field in fields if (part := find_section(field.annotation)) is not None]
    return [(None, whole), *parts]


def list_settings(whole: type[Section]) -> list[Setting]:
    """Return all settings, those of the whole first."""
    return [
        Setting(f"{section.model_config.get('env_prefix', '')}{name}".upper(), section, part, name)
        for part, section in list_sections(whole)
        for name, field in section.model_fields.items()
        if find_section(field.annotation) is None
    ]


def find_unknown(environment: Mapping[str, str], settings: list[Setting]) -> Iterator[str]:
    """Yield a sentence for each variable CONNECTOR_… that no setting has, with the nearest name."""
    known = {variable for setting in settings for variable in setting.variables}
    without_file = {f"{setting.variable}{FILE_SUFFIX}": setting for setting in settings if not setting.is_secret}
    for name, text in sorted(environment.items()):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or is_service_link(name, text):
            continue
        if upper in without_file:
            yield f"{name} is unknown: only secrets are read from files; set {without_file[upper].variable}"
        else:
            meant = nearest(upper.removeprefix(PREFIX), [variable.removeprefix(PREFIX) for variable in known])
            yield f"{name} is unknown; " + (
                f"did you mean {PREFIX}{meant}?" if meant else "`connector settings` lists all settings"
            )
