"""Refuse query parameters that a route does not know: a filter with a slip in its name would list everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.nearest import suggestion

_WITHOUT_BODY = ("GET", "DELETE")
"""Requests with these methods have all of their parameters in the query. With other methods, routes that declare no
parameter accept any, because SDKs add some of their own."""


async def check_parameters(request: Request) -> None:
    """Check the names in the query of a request; a dependency of the routes that need a key.

    Raises:
        DefinitionError: a parameter is not known, or given twice; names the nearest known one.
    """
    if not request.url.query:
        return
    known = known_parameters(request.scope["route"])
    if not known and request.method not in _WITHOUT_BODY:
        return
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [Fault(name[:255], _describe_unknown(name, known)) for name in given if name not in known]
    repeated = [Fault(name, "is given twice; give one value") for name in given if name in known and given[name] > 1]
    if unknown or repeated:
        raise DefinitionError([*unknown, *repeated])


def known_parameters(route: APIRoute) -> list[str]:
    """Return the names of the query parameters that a route and its dependencies declare."""
    return sorted(set(_declared(route.dependant)))


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for part in dependant.dependencies:
        yield from _declared(part)


def _describe_unknown(name: str, known: list[str]) -> str:
    otherwise = f"known are {', '.join(known)}" if known else "this route has none"
    return f"is not a parameter; {suggestion(name[:255], known, otherwise)}"
