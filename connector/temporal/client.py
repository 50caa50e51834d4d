"""The client of Temporal: connection, data converter with its codec, sandbox, search attributes and start arguments.

ConnectorError
├── TemporalUnavailable    the server does not answer
└── WrongSearchAttributes  the namespace has them with other types
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from connector import names
from connector.rules.model.errors import ConnectorError
from connector.settings.codec import CodecKey, CodecSettings
from connector.settings.environment import SettingsWrong
from connector.temporal.codec import EncryptionCodec
from connector.temporal.connection_faults import ConnectionLog, describe_connection_fault
from connector.temporal.runtime import process_runtime
from connector.temporal.search_attributes import describe_wrong_types, type_name
from connector.tracing import installed_tracer

CAMPAIGN = SearchAttributeKey.for_keyword("CampaignId")
USER_KEY = SearchAttributeKey.for_keyword("UserKey")
STATE = SearchAttributeKey.for_keyword(names.STATE_ATTRIBUTE)
REASON = SearchAttributeKey.for_keyword(names.REASON_ATTRIBUTE)
DUE_AT = SearchAttributeKey.for_datetime("DueAt")
SEARCH_ATTRIBUTES: tuple[SearchAttributeKey[Any], ...] = (CAMPAIGN, USER_KEY, STATE, REASON, DUE_AT)
"""Every search attribute of the connector; `connector setup`, `connector dev` and the tests register these."""
EXPECTED_ATTRIBUTES = {key.name: type_name(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
"""Their types by name, as Temporal's programs write them."""

_DEFAULT_ADDRESS = "localhost:7233"
_CONNECT_TIMEOUT_SECONDS = 5.0
RPC_TIMEOUT = timedelta(seconds=10)
"""How long one attempt of a call may take (guarantee 9); the SDK makes several within 10 seconds."""
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 30.0


class TemporalUnavailable(ConnectorError, ConnectionError):
    """Temporal cannot be reached. Work that needs only the store continues."""


class WrongSearchAttributes(ConnectorError):
    """The namespace has search attributes of the connector's names with other types."""


def connector_plugin(*, sandboxed: bool = True, keys: Sequence[CodecKey] | None = None) -> SimplePlugin:
    """Return the plugin that client, worker, tests and Replayer share: data converter, codec and workflow runner.

    Args:
        keys: encrypt payloads with the first, read those of all; None: the keys of CONNECTOR_CODEC_KEYS.
        sandboxed: run workflows in the SDK's sandbox, which imports their modules again for every run and refuses
            nondeterministic calls. Tests and Replayer do; `connect` does not, because production runs the same code,
            and the sandbox would cost more than the rest of a workflow's tasks (docs/load.md).
    """
    return SimplePlugin(
        "campaign-connector",
        data_converter=_data_converter(CodecSettings().keys if keys is None else keys),
        workflow_runner=_sandbox if sandboxed else UnsandboxedWorkflowRunner(),
    )


def _data_converter(keys: Sequence[CodecKey]) -> DataConverter:
    """Return the converter. With keys, messages and stack traces of failures are encrypted too."""
    converter = replace(pydantic_data_converter, payload_codec=EncryptionCodec(keys))
    if not keys:
        return converter
    return replace(converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)


async def connect(*, attempts: int | None = 10) -> Client:
    """Connect by TEMPORAL_* and the profiles of the `temporal` program; without them to localhost:7233.

    Args:
        attempts: number of attempts, with growing pauses between them; None: no limit, until the namespace exists.

    Raises:
        RuntimeError, TimeoutError: the server did not answer.
        SettingsWrong: a setting of Temporal cannot be read.
    """
    config = _read_connect_config()
    log = ConnectionLog(config["target_host"], config.get("namespace", "default"))
    pause_seconds, failures = _FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                client = await _connect(config)
                if attempts is None:  # a worker does not wait for a wrong namespace in silence
                    await client.workflow_service.describe_namespace(
                        DescribeNamespaceRequest(namespace=client.namespace)
                    )
        except (RuntimeError, TimeoutError, RPCError) as error:
            failures += 1
            if attempts is not None and failures >= attempts:
                raise
            log.record_failure(error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _MAX_PAUSE_SECONDS)
        else:
            log.record_success()
            return client


def configured_namespace() -> str:
    """Return the namespace that TEMPORAL_* and the profiles name. Raises SettingsWrong."""
    return str(_read_connect_config().get("namespace") or "default")


def _read_connect_config() -> dict[str, Any]:
    try:
        config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsWrong(f"TEMPORAL_*: {error}") from None
    config.setdefault("target_host", _DEFAULT_ADDRESS)
    return config


async def _connect(config: dict[str, Any]) -> Client:
    plugins, tracer = [connector_plugin(sandboxed=False)], installed_tracer()
    interceptors = [] if tracer is None else [tracer.interceptor]
    try:
        return await Client.connect(**config, runtime=process_runtime(), plugins=plugins, interceptors=interceptors)
    except ValueError as error:
        raise SettingsWrong(f"TEMPORAL_ADDRESS: {error}; write HOST:PORT") from None


class TemporalLink:
    """The only client of this process, connected on first use: a command without need of Temporal never waits for it.

    Args:
        client: a client that is connected already; None: connect on demand.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client
        self._attempt: asyncio.Future[Client] | None = None

    async def client(self) -> Client:
        """Return the client. Callers share an attempt to connect; a failed one is not remembered.

        Raises:
            TemporalUnavailable: names the address that was tried; after 5 seconds at the latest.
        """
        if self._client is None:
            if self._attempt is None or self._attempt.done():
                self._attempt = asyncio.ensure_future(_connect_once())
                self._attempt.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._client = await asyncio.shield(self._attempt)
        return self._client

    async def wait_for_client(self) -> Client:
        """Return the client as soon as the server answers, however long that takes."""
        if self._client is None:
            self._client = await connect(attempts=None)
        return self._client


ClientSource = Client | Callable[[], Awaitable[Client]]
"""A client, or a way to get it once the server is there, like `TemporalLink.client`."""


async def get_client(source: ClientSource) -> Client:
    """Return the client of a source. Raises what the source raises."""
    return source if isinstance(source, Client) else await source()


async def _connect_once() -> Client:
    try:
        return await connect(attempts=1)
    except (RuntimeError, TimeoutError) as error:
        address = os.environ.get("TEMPORAL_ADDRESS", f"{_DEFAULT_ADDRESS} (or the address of its profile)")
        raise TemporalUnavailable(
            f"Temporal cannot be reached at {address}: {describe_connection_fault(error)}; "
            "start `connector dev`, or set TEMPORAL_ADDRESS to where it runs"
        ) from error


async def register_search_attributes(client: Client) -> list[str]:
    """Register the search attributes that the server lacks, and return their names. Can be repeated.

    Raises:
        RPCError: the server refused, for example because its search attributes are managed elsewhere.
        WrongSearchAttributes: some are registered with another type; nothing was changed.
    """
    operator = client.operator_service
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = await operator.list_search_attributes(request, timeout=RPC_TIMEOUT)
    registered = {name: type_name(kind) for name, kind in known.custom_attributes.items()}
    if wrong := describe_wrong_types(registered, EXPECTED_ATTRIBUTES):
        raise WrongSearchAttributes(wrong)
    missing = [key for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
    if missing:
        await operator.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes={key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in missing},
            ),
            timeout=RPC_TIMEOUT,
        )
    return [key.name for key in missing]


def _sandbox(runner: WorkflowRunner | None) -> WorkflowRunner:
    """Keep the sandbox on; import only the workflows' modules for every run, not the rest of the connector."""
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner or SandboxedWorkflowRunner()
    passed = runner.restrictions.with_passthrough_modules("connector", "pydantic", "pydantic_core", "annotated_types")
    return replace(runner, restrictions=passed)
