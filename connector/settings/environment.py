"""Where settings come from: environment variables CONNECTOR_*, and for each secret a file that NAME_FILE names.

To add a setting, write one field with `setting()` into a section: its variable, its file, `connector settings` and
docs/settings.md (`make pages`) follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from connector.rules.model.errors import ConnectorError
from connector.settings.durations import EARLIER_NAMES, read_earlier_value
from connector.settings.service_links import is_service_link

FILE_SUFFIX = "_FILE"
_MAX_FILE_BYTES = 64 * 1024


class SettingsWrong(ConnectorError):
    """CONNECTOR_* variables are unknown or have values that cannot be used; one line for each of them."""

    has_lines = True


def setting(default: Any, description: str, **facts: Any) -> Any:
    """Return the field of a setting.

    Args:
        description: what the setting does, a clause in Markdown with links relative to docs/.
        facts: `form`, the notation of its values, if the type does not say it all; `default_text`, what holds without a
            value; `read_by`, the processes that read it, if not those of the section; `hidden=True`: no message quotes
            a wrong value, because a secret is easily written in its place. The others are constraints of pydantic.
    """
    names = ("form", "default_text", "read_by", "hidden")
    extra = {name: facts.pop(name) for name in names if name in facts}
    return Field(default=default, description=description, json_schema_extra=extra, **facts)


class Section(BaseSettings):
    """A section of the settings. The variable NAME_FILE can name a file that contains the secret NAME."""

    title: ClassVar[str]
    """The heading of the section in docs/settings.md."""
    read_by: ClassVar[str]
    """The processes that read its settings."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first: arguments, and the environment with its files."""
        return init_settings, _Environment(settings_cls)

    def find_contradictions(self) -> Iterable[str]:
        """Return a sentence for each group of settings that do not go together."""
        return ()

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        if sentences := list(self.find_contradictions()):
            raise ValueError("\n".join(sentences))
        return self


def find_section(annotation: Any) -> type[Section] | None:
    """Return the section that a field of this type holds; None for a setting."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def is_secret(annotation: Any) -> bool:
    """Return whether values of this type hold a secret: alone, in a list or mapping, or in a field of a model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, BaseSettings):
        return any(is_secret(field.annotation) for field in annotation.model_fields.values())
    return annotation is SecretStr or any(map(is_secret, get_args(annotation)))


@dataclass(frozen=True)
class Unusable:
    """A value that cannot be read from its variable; no setting accepts it, so that it is a fault."""

    variable: str
    why: str


class _Environment(EnvSettingsSource):
    """The environment, with the contents of the files of the secrets as if they were the values of the variables."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        given = {name: text for name, text in self.env_vars.items() if not is_service_link(name, text or "")}
        found = {
            self._variable(name): self._find(self._variable(name), given, is_secret(field.annotation))
            for name, field in settings_cls.model_fields.items()
            if find_section(field.annotation) is None
        }
        self.env_vars = {name.lower(): value for name, value in found.items() if value is not None}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode JSON; never quotes the value in an error."""
        if isinstance(value, Unusable):
            return value
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            example = '\'["one", "two"]\''
            return Unusable(self._variable(field_name), f"lists and mappings are written as JSON, like {example}")

    def _variable(self, field_name: str) -> str:
        return f"{self.env_prefix}{field_name}".upper()

    def _find(self, variable: str, given: dict[str, str | None], secret: bool) -> Any:
        """Return the text of a variable, None if it is not set, `Unusable` if it cannot be read."""
        earlier, file = EARLIER_NAMES.get(variable), variable + FILE_SUFFIX
        names = [variable, *([earlier.name] if earlier else []), *([file] if secret else [])]
        names = [name for name in names if name.lower() in given]
        if not names:
            return None
        if len(names) > 1:
            return Unusable(names[0], f"{names[0]} and {names[1]} are both set; set one of them")
        text = given[names[0].lower()] or ""
        if not text:
            return Unusable(names[0], "is empty; remove the variable if it is not needed")
        if names[0] == file:
            return read_secret_file(file, text)
        if earlier and names[0] == earlier.name:
            value = read_earlier_value(earlier, text)
            return Unusable(earlier.name, earlier.problem(variable)) if value is None else value
        return text


def read_secret_file(variable: str, path: str) -> str | Unusable:
    """Return the text of a file with a secret, without the newline at its end.

    It is unusable if the file cannot be read, is empty, is larger than 64 KiB or is not UTF-8. The reason names the
    variable and not the path, because someone may have written the secret in its place.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        return Unusable(variable, f"the file that it names cannot be read ({error.strerror})")
    except ValueError:
        return Unusable(variable, "the file that it names is not text in UTF-8")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(raw) > _MAX_FILE_BYTES:
        return Unusable(variable, f"the file that it names {'is larger than 64 KiB' if text else 'is empty'}")
    return text
