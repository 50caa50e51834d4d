"""The codec server in this process: what it accepts, and what it makes of it."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.api.common.v1 import Payload

from connector.settings.application import Settings
from connector.settings.codec import CodecSettings
from connector.temporal.codec import EncryptionCodec
from starter.api.access.scopes import Keys
from starter.api.codec import MAX_PAYLOADS, create_codec_app
from tests.support.api import KEY, configured
from tests.support.payloads import NEW, OLD

ENCRYPTED = {"encoding": base64.b64encode(b"binary/encrypted").decode()}


@pytest.fixture
async def codec() -> AsyncIterator[httpx.AsyncClient]:
    """A client with every scope, of a codec server whose newest key is `NEW`."""
    settings = Settings(codec=CodecSettings(keys=[NEW, OLD]))
    app = create_codec_app(settings, Keys(configured(KEY)), ["https://temporal.example"])
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h", headers=headers) as client:
        yield client


def as_json(data: bytes, **metadata: bytes) -> dict[str, Any]:
    values = {name: base64.b64encode(value).decode() for name, value in metadata.items()}
    return {"metadata": values, "data": base64.b64encode(data).decode()}


async def test_encode_and_decode(codec: httpx.AsyncClient) -> None:
    """It decodes what it and the workers encrypted, also with old keys; clear payloads stay as they are."""
    clear = as_json(b'"x"', encoding=b"json/plain")
    [sealed] = (await codec.post("/encode", json={"payloads": [clear]})).json()["payloads"]
    assert sealed["metadata"]["encryption-key-id"] == base64.b64encode(b"2026-11").decode()
    [old] = EncryptionCodec([OLD]).encrypt([Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')])
    theirs = as_json(old.data, **dict(old.metadata))
    answer = await codec.post("/decode?preserveStorageRefs=true", json={"payloads": [sealed, clear, theirs]})
    assert answer.json() == {"payloads": [clear] * 3}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"nonsense", 400), (b"[" * 100_000, 400), ([], 422), ({}, 422), ({"payloads": {}}, 422),
        ({"payloads": [1]}, 422), ({"payloads": [None]}, 422), ({"payloads": [{"data": 5}]}, 422),
        ({"payloads": [{"metadata": []}]}, 422), ({"payloads": [{"unknown": 1}]}, 422), ({"payloads": []}, 200),
        ({"payloads": [{}] * (MAX_PAYLOADS + 1)}, 422), (b" " * (10 * 1024 * 1024 + 1), 413),
        ({"payloads": [{"metadata": ENCRYPTED, "data": "AAAA"}]}, 422),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/decode", "/encode"])
async def test_bodies(codec: httpx.AsyncClient, path: str, body: Any, status: int) -> None:
    """Bounded, and every fault has its status; none is a 500. Encoding does not look into a payload."""
    answer = await codec.post(path, content=body if isinstance(body, bytes) else json.dumps(body))
    is_only_undecodable = path == "/encode" and "AAAA" in str(body)
    assert answer.status_code == (200 if is_only_undecodable else status), answer.text
