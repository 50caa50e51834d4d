"""The API keys that an installation is configured with, each with the scopes that it grants: CONNECTOR_API_KEYS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connector.rules.model.api_keys import Scope, find_scope_fault

MIN_KEY_CHARACTERS = 32
_KEY = re.compile(r"[!-9;-~]+", re.ASCII)  # visible and without a colon, which ends the user name of Basic credentials
_RIGHT = '{"name": "deploy", "key": "a long random text", "scopes": ["manage"]}'


class ConfiguredKey(BaseModel):
    """A key of the settings. Logs call it `env-` and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    key: SecretStr
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if len(text) < MIN_KEY_CHARACTERS or not _KEY.fullmatch(text):
            raise ValueError(
                f"a key has at least {MIN_KEY_CHARACTERS} characters, visible ASCII without colons; use a random one"
            )
        return key

    @field_validator("scopes")
    @classmethod
    def _check_scopes(cls, scopes: frozenset[Scope]) -> frozenset[Scope]:
        if fault := find_scope_fault(scopes):
            raise ValueError(fault)
        return scopes


def check_entries(given: Any) -> Any:
    """Refuse bare keys, which would grant every scope. Raises ValueError with the right form."""
    if isinstance(given, Sequence) and any(isinstance(entry, str) for entry in given):
        raise ValueError(f"a key names its scopes; write [{_RIGHT}]")
    return given


def check_distinct(keys: list[ConfiguredKey]) -> list[ConfiguredKey]:
    """Refuse two entries with one name, or with one key, whose scopes would depend on their order."""
    for kind, values in (("name", [key.name for key in keys]), ("key", [key.key for key in keys])):
        if len(set(values)) < len(values):
            raise ValueError(f"two entries have the same {kind}; each needs its own")
    return keys
