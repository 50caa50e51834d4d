"""Registers for an operation the request that does the same over HTTP, with the same parameters.

    @over_http(read_follow_ups)
    def _(criteria: Criteria, limit: int, after: str | None = None) -> Request:
        return get("/v1/follow-ups", limit=limit, after=after, …)

The function takes what the operation takes after its context and, if it acts, its actor: mypy checks that. It stands in
`starter/remote/requests`, in a module with the name of the operation's module, where `find_request` looks for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Concatenate, Literal, ParamSpec
from urllib.parse import quote

from connector.rules.model.audit import Actor

P = ParamSpec("P")
View = dict[str, Any]
"""The JSON view that an operation returns, HTTP answers and `--json` prints."""
Reading = Callable[Concatenate[Any, P], Awaitable[View]]
"""An operation on a context."""
Acting = Callable[Concatenate[Any, Actor, P], Awaitable[View]]
"""An operation on a context, by an actor, whose second parameter is named `actor`."""

DEFAULT_SECONDS = 60.0
LONG_SECONDS = 660.0
"""For work on many rows, for which the API takes ten minutes at most."""


@dataclass(frozen=True)
class Request:
    """A request to the API.

    Args:
        path: below the API's address; `path()` writes one with ids.
        query: parameters; those that are None are left out.
        body: JSON values; None: no body.
        idempotency_key: makes a POST repeatable.
        is_repeatable: whether sending it twice does no more than sending it once; GET, PUT and those with a key are.
        seconds: the deadline of one attempt.
        read: returns the view of a response whose body is not the view, by its status and its JSON value (None: it has
            none); None: the client reads it as any other.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    idempotency_key: str | None = None
    is_repeatable: bool = False
    seconds: float = DEFAULT_SECONDS
    read: Callable[[int, Any], View | None] | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether the client may send it again if it does not know the result."""
        return self.is_repeatable or self.method in ("GET", "PUT") or self.idempotency_key is not None


def get(path: str, *, seconds: float = DEFAULT_SECONDS, **query: Any) -> Request:
    """Return a GET with these query parameters."""
    return Request("GET", path, query, seconds=seconds)


def path(template: str, **ids: str) -> str:
    """Return a path like "/v1/campaigns/{id}" with each id percent-encoded; an id may contain a slash.

    Dots are encoded too: HTTP clients resolve `..`, so that the id `..` would reach another route.
    """
    return template.format(**{name: quote(id, safe="").replace(".", "%2E") for name, id in ids.items()})


_requests: dict[Callable[..., Any], Callable[..., Request]] = {}


def over_http(operation: Reading[P]) -> Callable[[Callable[P, Request]], Callable[P, Request]]:
    """Register the decorated function as the request of an operation without an actor."""
    return _register(operation)


def act_over_http(operation: Acting[P]) -> Callable[[Callable[P, Request]], Callable[P, Request]]:
    """Register the decorated function as the request of an operation whose actor the API knows by the key."""
    return _register(operation)


def find_request(operation: Callable[..., Any]) -> Callable[..., Request]:
    """Return the registered function of an operation. Raises KeyError: it has none, which a test forbids."""
    subject = operation.__module__.rpartition(".")[2]
    import_module(f"starter.remote.requests.{subject}")
    return _requests[operation]


def has_actor(operation: Callable[..., Any]) -> bool:
    """Whether an operation's second parameter is the actor."""
    return operation.__code__.co_varnames[1:2] == ("actor",)


def _register(operation: Callable[..., Any]) -> Callable[[Callable[P, Request]], Callable[P, Request]]:
    def register(request: Callable[P, Request]) -> Callable[P, Request]:
        _requests[operation] = request
        return request

    return register
