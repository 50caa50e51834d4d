"""Call operations from commands: on the store, or over HTTP if CONNECTOR_API_URL is set.

    page = run_operation(data, read_follow_ups, criteria, limit, after)     # an operation that reads
    receipt = run_act(data, give_order, "stop", ids, reason=reason)         # one that acts, with this user as its actor

A command that calls several operations, or pages of one, opens `open_calls` once. On the store, an operation gets the
context that its first parameter names: a `StoreContext` is light, an `AppContext` also has ingest and Temporal. Over
HTTP its request is in `starter/remote/requests`, and the API takes the actor from the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from connector.app.configuration import read_settings
from connector.rules.model.errors import ConnectorError
from starter.commands.actor import command_line_actor
from starter.commands.places import URL_VARIABLE, is_remote
from starter.commands.store_session import configure_store_logs, open_store, run
from starter.remote.registration import Acting, P, Reading, View, find_request, has_actor
from starter.terminal import print_warnings

if TYPE_CHECKING:
    from connector.app.context import AppContext
    from connector.app.store_context import StoreContext
    from connector.settings.remote import RemoteSettings
    from starter.remote.client import ApiClient


_UNPROTECTED = (
    "CONNECTOR_API_URL begins with http://, so others on the network can read the key and use it; write https://, "
    "or go through a tunnel that begins on this machine, such as `ssh -L` or `kubectl port-forward`"
)


class EndlessList(ConnectorError):
    """A list has no end, because a page names itself as the next one."""


class Calls(Protocol):
    """The operations of one command, wherever they run."""

    async def read(self, operation: Reading[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view of an operation without an actor."""
        ...

    async def act(self, operation: Acting[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view of an operation that acts."""
        ...

    async def start_follow_ups(self) -> None:
        """Start the workflows of what has begun, before the command ends; the API does so by itself.

        Raises:
            TemporalUnavailable, RPCError: a worker's sweep does it later.
        """
        ...


def run_operation(data: Path | None, operation: Reading[P], *args: P.args, **parameters: P.kwargs) -> View:
    """Run one operation without an actor, and return its view.

    Raises:
        ConnectorError: as the operation raises it, or over HTTP with the API's words.
    """

    async def work() -> View:
        async with open_calls(data) as calls:
            return await calls.read(operation, *args, **parameters)

    return run(work())


def run_act(data: Path | None, operation: Acting[P], *args: P.args, **parameters: P.kwargs) -> View:
    """Run one operation that acts, and return its view. Raises ConnectorError as `run_operation`."""

    async def work() -> View:
        async with open_calls(data) as calls:
            return await calls.act(operation, *args, **parameters)

    return run(work())


def next_page(page: View, after: str | None) -> str | None:
    """Return the cursor of the page that follows; None: there is none.

    Args:
        after: the cursor of this page.

    Raises:
        EndlessList: they are the same, which the connector's API never answers.
    """
    following: str | None = page["next"]
    if following is not None and following == after:
        raise EndlessList(
            f"the list never ends: {after} is the cursor of its own page; does {URL_VARIABLE} name a connector?"
        )
    return following


@asynccontextmanager
async def open_calls(data: Path | None) -> AsyncIterator[Calls]:
    """Open what a command calls: the store of the data folder, or the API of CONNECTOR_API_URL.

    Raises:
        SettingsWrong: a setting cannot be used.
    """
    if not is_remote():
        async with AsyncExitStack() as stack:
            yield StoreCalls(data, stack)
        return
    settings = read_settings(data)
    configure_store_logs(settings)
    async with open_api(settings.remote) as client:
        yield RemoteCalls(client)


def open_api(settings: RemoteSettings) -> ApiClient:
    """Return a client of the API, and print a warning if others can read the key."""
    from starter.remote.client import ApiClient  # commands on the store need no HTTP client

    if settings.sends_key_unprotected:
        print_warnings([_UNPROTECTED])
    return ApiClient(settings)


class StoreCalls:
    """Runs operations on the store; a context is opened when an operation needs it first."""

    def __init__(self, data: Path | None, stack: AsyncExitStack) -> None:
        self._data, self._stack = data, stack
        self._store: StoreContext | None = None
        self._app: AppContext | None = None

    async def read(self, operation: Reading[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view of an operation without an actor."""
        return await operation(await self._context_of(operation), *args, **parameters)

    async def act(self, operation: Acting[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view of an operation that acts; the actor is the user of this process."""
        return await operation(await self._context_of(operation), command_line_actor(), *args, **parameters)

    async def start_follow_ups(self) -> None:
        """Start the workflows of what has begun through the context of this command."""
        if self._app is not None:
            await self._app.outbox.flush()

    async def _context_of(self, operation: Any) -> StoreContext:
        if operation.__annotations__["context"] == "AppContext":
            return await self._open_app()
        if self._store is None:
            self._store = await self._stack.enter_async_context(open_store(self._data))
        return self._store

    async def _open_app(self) -> AppContext:
        from starter.commands.session import open_session  # imports Temporal's SDK

        if self._app is None:
            self._app = self._store = await self._stack.enter_async_context(open_session(self._data))
        return self._app


class RemoteCalls:
    """Runs operations by their requests."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self, operation: Reading[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view that the API answers."""
        assert not has_actor(operation)  # noqa: S101 - mypy checks it, too
        return await self._client.send(find_request(operation)(*args, **parameters))

    async def act(self, operation: Acting[P], *args: P.args, **parameters: P.kwargs) -> View:
        """Return the view that the API answers; it takes the actor from the key."""
        return await self._client.send(find_request(operation)(*args, **parameters))

    async def start_follow_ups(self) -> None:
        """Do nothing: the API starts them."""
