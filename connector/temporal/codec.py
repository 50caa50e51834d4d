"""Encrypt what the connector writes into Temporal: AES-256-GCM with a ring of keys.

An encrypted payload has the encoding `binary/encrypted` and, in clear, the id of its key. Its data are a random nonce
of 96 bits and the sealed original with its metadata; encoding, cipher and key id are authenticated with it. It is not
bound to its workflow, which the remote codec protocol does not name.

The first key of the ring encrypts, every one decrypts. Payloads that are not encrypted are read as they are: encryption
can be switched on while follow-ups wait, and programs without keys can call activities and send signals.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)

from connector import names
from connector.rules.model.errors import ConnectorError
from connector.settings.codec import CodecKey

ENCODING = b"binary/encrypted"
_KEY_ID, _CIPHER, _CIPHER_NAME = "encryption-key-id", "encryption-cipher", b"AES-256-GCM"
_NONCE_BYTES = 12
_CALLED_BY_OTHERS = frozenset({names.RECORD_INTERACTIONS})


class PayloadUnreadable(ConnectorError):
    """A payload is encrypted with a key that is not listed, or it was changed."""


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    """The payload codec of the connector.

    Args:
        keys: the ring, newest first. Without keys nothing is encrypted, and an encrypted payload cannot be read.
    """

    def __init__(self, keys: Sequence[CodecKey] = ()) -> None:
        self._newest = keys[0].id if keys else None
        self._ciphers = {key.id: AESGCM(key.raw) for key in keys}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads, encrypted with the newest key."""
        return self.encrypt(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted. Raises PayloadUnreadable as `decrypt` does."""
        return self.decrypt(payloads)

    def with_context(self, context: SerializationContext) -> Any:
        """Return the codec for one use. An activity that programs of others call answers in the form of the call."""
        is_for_others = isinstance(context, ActivitySerializationContext) and context.activity_type in _CALLED_BY_OTHERS
        return _MirroringCodec(self) if is_for_others else self

    def encrypt(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads, encrypted with the newest key; as they are if there is none."""
        if self._newest is None:
            return list(payloads)
        key_id, cipher = self._newest, self._ciphers[self._newest]
        return [_seal(payload, key_id, cipher) for payload in payloads]

    def decrypt(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted, each with its key of the ring; those that are not encrypted as they are.

        Raises:
            PayloadUnreadable: the ring lacks a key, or a payload was changed; names the key's id.
        """
        return [self._open(payload) if _is_encrypted(payload) else payload for payload in payloads]

    def _open(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get(_KEY_ID, b"").decode("ascii", errors="replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise PayloadUnreadable(
                f"a payload is encrypted with the key {key_id[:64]!r}, which CONNECTOR_CODEC_KEYS does not list; "
                "every process needs the same keys, old ones too as long as workflows of their time are kept"
            )
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, _authenticated(key_id)))
        except (InvalidTag, ValueError):
            raise PayloadUnreadable(
                f"a payload with the key {key_id!r} of CONNECTOR_CODEC_KEYS was changed, or encrypted with another key"
            ) from None


class _MirroringCodec(PayloadCodec):
    """The codec of one execution of an activity: if its input was not encrypted, neither is its result.

    So a program without the keys, in any language, can call the activity and read what it answers.
    """

    def __init__(self, codec: EncryptionCodec) -> None:
        self._codec, self._is_called_in_clear = codec, False

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads) if self._is_called_in_clear else self._codec.encrypt(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self._is_called_in_clear = not any(map(_is_encrypted, payloads))
        return self._codec.decrypt(payloads)


def _seal(payload: Payload, key_id: str, cipher: AESGCM) -> Payload:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = cipher.encrypt(nonce, payload.SerializeToString(), _authenticated(key_id))
    metadata = {"encoding": ENCODING, _KEY_ID: key_id.encode(), _CIPHER: _CIPHER_NAME}
    return Payload(metadata=metadata, data=nonce + sealed)


def _authenticated(key_id: str) -> bytes:
    return b"\0".join((ENCODING, _CIPHER_NAME, key_id.encode()))


def _is_encrypted(payload: Payload) -> bool:
    return payload.metadata.get("encoding") == ENCODING
