"""Read bodies that may be gzip, in chunks, within a bound on the decompressed size.

The size is counted during decompression, so that a gzip bomb costs no more memory than the largest allowed body.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from fastapi import Request
from starlette.datastructures import Headers

from starter.api.requests.errors import ApiError

COUNT_BYTES = "connector.hold"
"""The key in a request's scope of the function that counts its bytes in memory; see `admission`."""
_GZIP = 31
"""zlib's window bits for gzip with header and checksum."""
_MAX_GZIP_MEMBERS = 100
_MAX_GZIP_OVERHEAD = 64 * 1024
"""Bytes by which a gzip body may be longer than its content."""


class Decompressor:
    """Decompresses gzip chunk by chunk, including several concatenated members (RFC 1952).

    Args:
        max_bytes: the largest decompressed size in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._members = max_bytes, 0
        self._out = bytearray()
        self._member: zlib._Decompress | None = None

    def feed(self, compressed: bytes) -> None:
        """Decompress the next chunk. Raises OverflowError beyond the bound, ValueError if it is not gzip."""
        while compressed := compressed if self._member else self._next_member(compressed):
            member = self._member
            assert member is not None  # noqa: S101 - begun by the line above
            try:
                # One byte beyond the bound is enough to detect an overflow.
                self._out += member.decompress(compressed, self._max_bytes - len(self._out) + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if len(self._out) > self._max_bytes:
                raise OverflowError
            compressed = member.unconsumed_tail
            if member.eof:
                compressed, self._member = member.unused_data, None

    @property
    def size(self) -> int:
        """The decompressed size so far, in bytes."""
        return len(self._out)

    def result(self) -> bytes:
        """Return the decompressed bytes. Raises ValueError if the end is missing."""
        if self._member is not None:
            raise ValueError("it ends in the middle")
        return bytes(self._out)

    def _next_member(self, compressed: bytes) -> bytes:
        rest = (
            compressed.lstrip(b"\0") if self._members else compressed
        )  # zero padding is allowed between and after members
        if rest:
            self._members += 1
            if self._members > _MAX_GZIP_MEMBERS:
                raise ValueError(f"it has more than {_MAX_GZIP_MEMBERS} members")
            self._member = zlib.decompressobj(_GZIP)
        return rest


async def read_decompressed(request: Request, max_bytes: int, *, too_large: int = 413) -> bytes:
    """Return the body, decompressed if its `Content-Encoding` is gzip.

    Args:
        max_bytes: the largest size in bytes, decompressed.
        too_large: the status for a larger body.

    Raises:
        ApiError: `too_large`; 415 for another encoding; 400 if it is not gzip or is truncated.
    """
    is_gzip = _is_gzip(request)
    try:
        return await (_read_gzip(request, max_bytes) if is_gzip else _read_plain(request, max_bytes))
    except OverflowError:
        message = (
            f"the body is larger than {max_bytes} bytes{' when decompressed' if is_gzip else ''}; send less at once"
        )
        raise ApiError(too_large, "too_large", message) from None
    except ValueError as error:
        raise ApiError(
            400, "invalid_encoding", f"the body is not the gzip that its Content-Encoding announces: {error}"
        ) from None


async def _read_plain(request: Request, max_bytes: int) -> bytes:
    """Raise OverflowError as soon as more than `max_bytes` bytes are announced or received."""
    plain = bytearray()
    if (declared_length(request.headers) or 0) > max_bytes:
        raise OverflowError
    async for chunk in request.stream():
        plain += chunk
        if len(plain) > max_bytes:
            raise OverflowError
    return bytes(plain)


async def _read_gzip(request: Request, max_bytes: int) -> bytes:
    """Raise OverflowError beyond the bound, ValueError if it is not gzip, ApiError if memory is short."""
    decompressor, size = Decompressor(max_bytes), 0
    count_bytes: Callable[[int], None] = request.scope.get(COUNT_BYTES, lambda _: None)
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes + _MAX_GZIP_OVERHEAD:
            raise OverflowError
        before = decompressor.size
        decompressor.feed(chunk)
        count_bytes(decompressor.size - before)
    return decompressor.result()


def declared_length(headers: Headers) -> int | None:
    """Return the announced length of the body in bytes; None if there is none."""
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _is_gzip(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        message = f"the Content-Encoding {encoding[:40]!r} is not supported; send gzip or none"
        raise ApiError(415, "unsupported_encoding", message, headers={"Accept-Encoding": "gzip"})
    return encoding.endswith("gzip")
