"""Keys of the payload codec for tests, and the payloads of a history."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from connector.settings.codec import CodecKey
from connector.temporal.client import connector_plugin


def codec_key(id: str, filler: str = "k") -> CodecKey:
    """Return a key with this id, the same one for the same filler."""
    return CodecKey(id=id, key=b64encode(filler.encode() * 32).decode())


OLD, NEW = codec_key("2026-10", "o"), codec_key("2026-11", "n")


async def connect_with(environment: WorkflowEnvironment, *keys: CodecKey) -> Client:
    """Return a client of the environment's server with this key ring."""
    address = environment.client.service_client.config.target_host
    return await Client.connect(
        address, namespace=environment.client.namespace, plugins=[connector_plugin(keys=keys)], identity="tests"
    )


def payloads_in(message: Message) -> Iterator[Payload]:
    """Yield every payload in a message, except the values of search attributes, which the server must read."""
    if isinstance(message, Payload):
        yield message
    elif not isinstance(message, SearchAttributes):
        for _, value in message.ListFields():
            for one in _values(value):
                yield from payloads_in(one)


def _values(value: Any) -> Iterator[Message]:
    """Yield the messages in the value of a field: itself, or those of its list or mapping."""
    if isinstance(value, Message):
        yield value
    elif not isinstance(value, str | bytes | int | float | bool):
        items = value.values() if hasattr(value, "values") else value
        yield from (one for one in items if isinstance(one, Message))
