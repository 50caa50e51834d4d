"""Errors over HTTP, all in one shape: {"error": {"code", "message", "details"?}}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from connector.rules.model.errors import DefinitionError, Fault, OrderRefused
from connector.store.engine.database import StoreUnavailable
from connector.store.users.users import UserErased
from connector.temporal.link import TemporalUnavailable

RETRY_AFTER_SECONDS = 2


class ApiError(Exception):
    """Something that ends a request with a status and words of its own.

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

    def answer(self, **beside: Any) -> JSONResponse:
        """The response that tells it, with whatever else a protocol wants to stand beside `error`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return JSONResponse({"error": error, **beside}, self.status, self.headers)


def not_found(what: str) -> ApiError:
    """404 for something that the path names and that is not there."""
    return ApiError(404, "not_found", f"{what} is not known")


def unavailable(code: str, message: str) -> ApiError:
    """503 with a time after which another try is worth it."""
    return ApiError(503, code, message, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def answer_errors(app: FastAPI) -> None:
    """Give every error that a route raises its one shape."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return as_api_error(error).answer()

    for kind in TOLD:
        app.add_exception_handler(kind, answer)


def as_api_error(error: Exception) -> ApiError:
    """One of the errors that are `TOLD`, as it is told."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        return ApiError(error.status_code, phrase.lower().replace(" ", "_"), error.detail, headers=error.headers)
    return next(tell(error) for kind, tell in _TOLD.items() if isinstance(error, kind))


def _invalid(faults: list[Fault]) -> ApiError:
    listed = [{"key": fault.key, "problem": fault.problem} for fault in faults]
    message = "; ".join(": ".join(part for part in fault.values() if part) for fault in listed)
    return ApiError(422, "invalid", message, details={"faults": listed})


def _refused(error: OrderRefused) -> ApiError:
    return ApiError(409, "refused", str(error), details={"problems": error.problems})


def _unprocessable(error: RequestValidationError) -> ApiError:
    """A query or path parameter; the first step of its place says which of the two, and is left out."""
    return _invalid([Fault(".".join(map(str, fault["loc"][1:])), fault["msg"]) for fault in error.errors()])


_TOLD: dict[type[Exception], Callable[[Any], ApiError]] = {
    StoreUnavailable: lambda _: unavailable("store_unavailable", "the database cannot be used now; try again"),
    TemporalUnavailable: lambda error: unavailable("temporal_unavailable", str(error)),
    UserErased: lambda error: ApiError(410, "erased", str(error)),
    OrderRefused: _refused,
    DefinitionError: lambda error: _invalid(error.faults),
    RequestValidationError: _unprocessable,
}

TOLD: tuple[type[Exception], ...] = (ApiError, HTTPException, *_TOLD)
"""The errors that a route may raise; every other one is our own fault."""
