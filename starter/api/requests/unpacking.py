"""Bodies as they were before they were packed: read in pieces, unpacked in pieces, and never more than is allowed.

What a body unpacks to is counted while it is unpacked, so that a small one that would become a gigabyte costs no more
than one of the largest size that is allowed.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from contextlib import suppress

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from starter.api.requests.errors import ApiError

HOLD = "connector.hold"
"""Where the scope of a request has what counts bytes that its body takes in memory; see `admission`."""
_GZIP = 31
"""zlib's window bits for gzip, with its header and checksum."""
_MOST_MEMBERS = 100
_PACKING = 64 * 1024
"""Bytes by which a packed body may be longer than what is in it."""
_LONGEST_REST = 16 * 1024 * 1024
"""Bytes of a refused body that are still read, so that its sender comes to read the answer."""
_REST_SECONDS = 5.0
"""And for how long: whoever has no key must not hold a connection by sending slowly."""


class Decompressor:
    """Gzip, in pieces; several members follow each other, as the format allows.

    Args:
        most: bytes that may come out.
    """

    def __init__(self, most: int) -> None:
        self._most, self._members = most, 0
        self._out = bytearray()
        self._member: zlib._Decompress | None = None

    def feed(self, packed: bytes) -> None:
        """Unpack the next piece. Raises OverflowError for too much, ValueError for what is not gzip."""
        while packed := packed if self._member else self._next_member(packed):
            member = self._member
            assert member is not None  # noqa: S101 - begun by the line above
            try:
                # One byte more than is allowed tells that it is too much.
                self._out += member.decompress(packed, self._most - len(self._out) + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if len(self._out) > self._most:
                raise OverflowError
            packed = member.unconsumed_tail
            if member.eof:
                packed, self._member = member.unused_data, None

    @property
    def size(self) -> int:
        """Bytes that have come out so far."""
        return len(self._out)

    def result(self) -> bytes:
        """All that came out. Raises ValueError where the end is missing."""
        if self._member is not None:
            raise ValueError("it ends in the middle")
        return bytes(self._out)

    def _next_member(self, packed: bytes) -> bytes:
        rest = packed.lstrip(b"\0") if self._members else packed  # zeros may fill up the end
        if rest:
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise ValueError(f"it has more than {_MOST_MEMBERS} members")
            self._member = zlib.decompressobj(_GZIP)
        return rest


async def read_unpacked(request: Request, most: int, *, too_large: int = 413) -> bytes:
    """The body, unpacked where its `Content-Encoding` is gzip.

    Args:
        most: bytes that it may have, unpacked.
        too_large: the status for more than that.

    Raises:
        ApiError: `too_large`; 415 for another encoding; 400 for what is not gzip, or only the beginning of it.
    """
    packed = _is_packed(request)
    try:
        return await (_read_packed(request, most) if packed else _read_plain(request, most))
    except OverflowError:
        message = f"the body is larger than {most} bytes{' when unpacked' if packed else ''}; send less at once"
        raise ApiError(too_large, "too_large", message) from None
    except ValueError as error:
        raise ApiError(
            400, "invalid_encoding", f"the body is not gzip, as its Content-Encoding says: {error}"
        ) from None


async def _read_plain(request: Request, most: int) -> bytes:
    """Raises OverflowError for more than `most` bytes, as soon as they are announced or there."""
    plain = bytearray()
    if (declared_length(request.headers) or 0) > most:
        raise OverflowError
    async for chunk in request.stream():
        plain += chunk
        if len(plain) > most:
            raise OverflowError
    return bytes(plain)


async def _read_packed(request: Request, most: int) -> bytes:
    """Raises OverflowError for too much, ValueError for what is not gzip, ApiError where memory is short."""
    unpacker, size = Decompressor(most), 0
    hold: Callable[[int], None] = request.scope.get(HOLD, lambda _: None)
    async for chunk in request.stream():
        size += len(chunk)
        if size > most + _PACKING:
            raise OverflowError
        before = unpacker.size
        unpacker.feed(chunk)
        hold(unpacker.size - before)
    return unpacker.result()


async def read_rest(request: Request) -> None:
    """Read what is left of a refused body, as far as it is bearable: a sender that is cut off sees no answer."""
    size = 0
    with suppress(ClientDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(_REST_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > _LONGEST_REST:
                    return


def declared_length(headers: Headers) -> int | None:
    """The length that a body is said to have, in bytes; None where it is not said."""
    told = headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else None


def _is_packed(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        message = f"the Content-Encoding {encoding[:40]!r} is not read here; send gzip, or none"
        raise ApiError(415, "unsupported_encoding", message, headers={"Accept-Encoding": "gzip"})
    return encoding.endswith("gzip")
