"""Settings of the payload codec: CONNECTOR_CODEC_*."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.environment import Section, setting
from connector.settings.signing import Origins

KEY_BYTES = 32


class CodecKey(BaseModel):
    """One AES-256 key of the ring. Every payload that it encrypts contains its id in plain text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    key: SecretStr

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: SecretStr) -> SecretStr:
        try:
            raw = b64decode(key.get_secret_value(), validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise ValueError(
                f"a key is base64 of {KEY_BYTES} random bytes, as `openssl rand -base64 {KEY_BYTES}` prints"
            )
        return key

    @property
    def raw(self) -> bytes:
        """The bytes of the key."""
        return b64decode(self.key.get_secret_value())


class CodecSettings(Section):
    """The key ring, newest first, and the origins of the Web UIs that may use `connector codec-server`."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_CODEC_", extra="ignore")
    title: ClassVar[str] = "Payloads in Temporal"
    read_by: ClassVar[str] = "all that use Temporal"

    keys: list[CodecKey] = setting(
        [],
        "AES-256 keys that [encrypt payloads in Temporal](operations.md#encrypt-payloads-in-temporal): the first one "
        "encrypts, all decrypt; every process needs the same",
        form='JSON: `[{"id": "2026-11", "key": "base64 of 32 bytes"}]`',
        default_text="payloads are not encrypted",
    )
    origins: Origins = setting(
        [],
        "the origins of the Web UIs that may use `connector codec-server`; `--origin` overrides it",
        form='JSON: `["https://temporal.example.com"]`',
        read_by="codec server",
    )

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, keys: list[CodecKey]) -> list[CodecKey]:
        if len({key.id for key in keys}) < len(keys):
            raise ValueError("two keys have the same id; each needs its own")
        return keys
