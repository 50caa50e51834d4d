"""Read request bodies: JSON of bounded size, with errors that name the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from connector.definitions.faults import describe_faults
from connector.ingest.batch_text import read_batch_text
from connector.rules.model.errors import DefinitionError
from connector.rules.model.json_text import JsonInvalid, read_json_text
from connector.rules.model.values import storage_problem
from starter.api.requests.decompression import declared_length, read_decompressed
from starter.api.requests.errors import ApiError

MAX_BODY_BYTES = 10 * 1024 * 1024

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request) -> Any:
    """Return the body as JSON values; None if it is empty. Gzip is decompressed; any Content-Type is accepted.

    Raises:
        ApiError: 413 for more than 10 MB, 415 for another Content-Encoding, 400 with line and column if it is not JSON.
    """
    return parse_json(await read_decompressed(request, MAX_BODY_BYTES))


def parse_json(body: bytes) -> Any:
    """Parse JSON; None if it is empty. Raises ApiError (400) with line and column if it is not JSON."""
    if not body:
        return None
    try:
        return read_json_text(body)
    except JsonInvalid as fault:
        raise ApiError(400, "invalid_json", f"the body {fault}") from None


def parse_items(body: bytes) -> Any:
    """Parse JSON as `parse_json` does, but such that an item that cannot be read leaves the others readable."""
    if not body:
        return None
    try:
        return read_batch_text(body)
    except JsonInvalid as fault:
        raise ApiError(400, "invalid_json", f"the body {fault}") from None


async def read_items(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object that holds items, which are read by `parse_items`. Raises ApiError."""
    return _object(parse_items(await read_decompressed(request, MAX_BODY_BYTES)))


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object. Raises ApiError if it is not one."""
    return _object(await read_json(request))


async def read_description(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object that every database can store. Raises ApiError."""
    value = await read_object(request)
    if fault := storage_problem(value):
        raise ApiError(422, "invalid", f"the body {fault}")
    return value


async def read_options(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object; an empty one if there is no body. Raises ApiError."""
    value = await read_json(request)
    return {} if value is None else _object(value)


def validate(model: type[Model], data: Mapping[str, Any]) -> Model:
    """Validate the data as a model. Raises DefinitionError with every fault and its key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DefinitionError(describe_faults(error, model, data)) from None


Description = Annotated[dict[str, Any], Depends(read_description)]
ItemsObject = Annotated[dict[str, Any], Depends(read_items)]
JsonObject = Annotated[dict[str, Any], Depends(read_object)]
JsonOptions = Annotated[dict[str, Any], Depends(read_options)]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(422, "invalid", "the body must be a JSON object")
    return value


async def read_bounded(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the raw body. Raises ApiError (413) as soon as more than `max_bytes` bytes are announced or received."""
    chunks, size = [], 0
    if (declared_length(request.headers) or 0) > max_bytes:
        raise _too_large(max_bytes)
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, "too_large", f"the body is larger than {max_bytes} bytes; send less at once")
