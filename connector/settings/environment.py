"""Where settings come from: environment variables CONNECTOR_*, and for each secret a file that NAME_FILE names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from connector.rules.model.errors import ConnectorError

FILE_SUFFIX = "_FILE"
_MAX_FILE_BYTES = 64 * 1024


class SettingsWrong(ConnectorError):
    """A CONNECTOR_* variable has a value that cannot be used."""


class Section(BaseSettings):
    """A section of the settings. The variable NAME_FILE can name a file that contains the secret NAME."""

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


def is_secret(annotation: Any) -> bool:
    """Return whether values of this type hold a secret: alone, in a list or mapping, or in a field of a model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, BaseSettings):
        return any(is_secret(field.annotation) for field in annotation.model_fields.values())
    return annotation is SecretStr or any(map(is_secret, get_args(annotation)))


class _Environment(EnvSettingsSource):
    """The environment, with the contents of the files of the secrets as if they were the values of the variables."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        secrets = [name for name, field in settings_cls.model_fields.items() if is_secret(field.annotation)]
        contents = {name: self._read(self._variable(name)) for name in secrets}
        self.env_vars = {
            **self.env_vars,
            **{self._variable(name).lower(): text for name, text in contents.items() if text is not None},
        }

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode JSON. Raises SettingsWrong, which names the variable and never quotes the value."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            example = '\'["one", "two"]\''
            name = self._variable(field_name)
            raise SettingsWrong(f"{name}: lists and mappings are written as JSON, like {example}") from None

    def _variable(self, field_name: str) -> str:
        return f"{self.env_prefix}{field_name}".upper()

    def _read(self, variable: str) -> str | None:
        path = self.env_vars.get((variable + FILE_SUFFIX).lower())
        if path is None:
            return None
        if variable.lower() in self.env_vars:
            raise SettingsWrong(f"{variable} and {variable}{FILE_SUFFIX} are both set; set one of them")
        return read_secret_file(variable + FILE_SUFFIX, path)


def read_secret_file(variable: str, path: str) -> str:
    """Return the text of a file with a secret, without the newline at its end.

    Raises:
        SettingsWrong: the file cannot be read, is empty, is larger than 64 KiB or is not UTF-8. The message names the
            variable and not the path, because someone may have written the secret in its place.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise SettingsWrong(f"{variable}: the file that it names cannot be read ({error.strerror})") from None
    except ValueError:
        raise SettingsWrong(f"{variable}: the file that it names is not text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(raw) > _MAX_FILE_BYTES:
        wrong = "is empty" if not text else "is larger than 64 KiB"
        raise SettingsWrong(f"{variable}: the file that it names {wrong}")
    return text
