"""Errors over HTTP. Every error has one shape: {"error": {"code", "message", "details"?}}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from connector.rules.model.errors import DefinitionError, Fault, OrderRefused
from connector.rules.model.validation import describe_problem
from connector.store.cleanup.cleaning import CleanupRuns
from connector.store.engine.outages import StoreUnavailable
from connector.store.users.users import UserErased
from connector.temporal.client import TemporalUnavailable
from connector.temporal.codec import PayloadUnreadable
from connector.temporal.follow_up_client import FollowUpUnavailable, FollowUpUnknown, OperationRefused
from connector.temporal.registry_client import OrderUnanswered, RegistryUnavailable
from starter.api.requests.metrics import store_unavailable
from starter.operations.api_keys import ScopesWrong
from starter.operations.errors import NotAllowedNow, NotKnown
from starter.operations.joins import NotJoined
from starter.operations.simulation import SimulationsBusy

RETRY_AFTER_SECONDS = 2


class ApiError(Exception):
    """An error with its own HTTP status.

    Args:
        code: for programs, stable. message: for people.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details, headers

    def response(self, **beside: Any) -> JSONResponse:
        """Return the response, with the fields that a protocol wants beside `error`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return JSONResponse({"error": error, **beside}, self.status, self.headers)


def not_found(what: str) -> ApiError:
    """Return a 404 for something that the path names and that does not exist."""
    return ApiError(404, "not_found", f"{what} is not known")


def unavailable(code: str, message: str) -> ApiError:
    """Return a 503 with `Retry-After`."""
    return ApiError(503, code, message, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def install_error_handlers(app: FastAPI) -> None:
    """Install handlers that give every handled error its shape."""

    async def respond(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error = HTTPException(error.status_code, error.detail, {"Allow": ", ".join(_allowed_methods(request))})
        return as_api_error(error).response()

    for kind in HANDLED_ERRORS:
        app.add_exception_handler(kind, respond)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of every route of a path: the router names those of the first one."""
    contexts = [
        one for one in iter_route_contexts(request.app.routes) if one.matches(request.scope)[0] is not Match.NONE
    ]
    return sorted({method for context in contexts for method in context.methods or ()})


def as_api_error(error: Exception) -> ApiError:
    """Convert one of `HANDLED_ERRORS`."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        return ApiError(error.status_code, phrase.lower().replace(" ", "_"), error.detail, headers=error.headers)
    return next(convert(error) for kind, convert in _CONVERSIONS.items() if isinstance(error, kind))


def _store_unavailable(error: StoreUnavailable) -> ApiError:
    """Convert an outage to a 503, and count it; the answer does not say which outage it is."""
    store_unavailable.labels(error.outage.value).inc()
    return unavailable("store_unavailable", "the database cannot be used now; try again")


def _invalid(faults: list[Fault]) -> ApiError:
    """Convert faults; those of a text have their file and line, those of one definition among several its id."""
    listed = [_view_fault(fault) for fault in faults]
    message = "; ".join(": ".join(part for part in (fault.key, fault.problem) if part) for fault in faults)
    return ApiError(422, "invalid", message, details={"faults": listed})


def _view_fault(fault: Fault) -> dict[str, Any]:
    places = {"file": fault.file, "line": fault.line, "id": fault.id or None}
    return {
        "key": fault.key,
        "problem": fault.problem,
        **{name: value for name, value in places.items() if value is not None},
    }


def _refused(error: OrderRefused) -> ApiError:
    return ApiError(409, "refused", str(error), details={"problems": error.problems})


def _invalid_parameter(error: RequestValidationError) -> ApiError:
    """Convert a fault of a query or path parameter; the first element of its location names which, and is dropped."""
    return _invalid([Fault(".".join(map(str, fault["loc"][1:])), describe_problem(fault)) for fault in error.errors()])


_CONVERSIONS: dict[type[Exception], Callable[[Any], ApiError]] = {
    StoreUnavailable: _store_unavailable,
    TemporalUnavailable: lambda error: unavailable("temporal_unavailable", str(error)),
    PayloadUnreadable: lambda error: unavailable("payload_unreadable", str(error)),
    OrderUnanswered: lambda error: ApiError(504, "order_unanswered", str(error)),
    RegistryUnavailable: lambda error: unavailable("registry_unavailable", str(error)),
    UserErased: lambda error: ApiError(410, "erased", str(error)),
    OrderRefused: _refused,
    FollowUpUnavailable: lambda error: unavailable("follow_up_unavailable", str(error)),
    FollowUpUnknown: lambda error: ApiError(404, "not_found", str(error)),
    OperationRefused: lambda error: ApiError(409, "refused", str(error)),
    SimulationsBusy: lambda error: unavailable("overloaded", str(error)),
    NotKnown: lambda error: ApiError(404, "not_found", str(error)),
    NotJoined: lambda error: ApiError(409, "not_joined", str(error)),
    NotAllowedNow: lambda error: ApiError(409, "refused", str(error)),
    CleanupRuns: lambda error: ApiError(409, "cleanup_runs", str(error)),
    ScopesWrong: lambda error: _invalid([Fault("scopes", str(error))]),
    DefinitionError: lambda error: _invalid(error.faults),
    RequestValidationError: _invalid_parameter,
}

HANDLED_ERRORS: tuple[type[Exception], ...] = (ApiError, HTTPException, *_CONVERSIONS)
"""The errors that a route may raise; any other exception is a defect and becomes a 500."""
