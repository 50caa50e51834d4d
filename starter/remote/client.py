"""A client of the connector's API: the key, a deadline for every call, and repetition where it does no harm."""

from __future__ import annotations

import asyncio
import json
import ssl
from types import TracebackType
from typing import Any, Self

import httpx

from connector.app.version import program_version
from connector.rules.model.errors import ConnectorError
from connector.settings.remote import RemoteSettings
from starter.remote.errors import ApiRefused, ApiUnreachable, as_error
from starter.remote.registration import Request, View

_CONNECT_SECONDS = 10.0
_ATTEMPTS = 3
MAX_ANSWER_BYTES = 64 * 1024**2
"""More than any answer of the API has."""
_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.5, 10.0
_PASSING_CODES = frozenset({"rate_limited", "overloaded", "store_unavailable", "shutting_down"})
"""Codes of refusals that end by themselves. That Temporal or its workers are away is reported at once, as locally."""
_REFUSED_BEFORE = frozenset({"rate_limited", "overloaded"})
"""Codes of requests that were refused before anything was done, so that every one may be sent again."""


class ApiClient:
    """Sends requests to one API. An async context manager.

    The system's trust store decides which servers are trusted; SSL_CERT_FILE names another. Redirects are errors:
    the key goes to no other address.
    """

    def __init__(self, settings: RemoteSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = settings.url or ""
        headers = {"Accept": "application/json", "User-Agent": f"connector/{program_version()}"}
        if settings.key is not None:
            headers["Authorization"] = f"Bearer {settings.key.get_secret_value()}"
        tls = ssl.create_default_context() if self._url.startswith("https:") else True
        self._client = httpx.AsyncClient(headers=headers, verify=tls, follow_redirects=False, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, request: Request) -> View:
        """Send a request and return the JSON object of its response.

        Raises:
            ConnectorError: the API refused it, with its words; see `starter.remote.errors`.
            ApiUnreachable: no answer came in time; what acts may have been done.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._send_once(request)
            except _Passing as passing:
                if attempt == _ATTEMPTS or not passing.may_repeat:
                    raise passing.error from None
                wait = _WAIT_SECONDS * 2 ** (attempt - 1) if passing.seconds is None else passing.seconds
                await asyncio.sleep(min(wait, _MAX_WAIT_SECONDS))
        raise AssertionError

    async def _send_once(self, request: Request) -> View:
        try:
            async with asyncio.timeout(request.seconds):
                response = await self._client.send(self._build(request), stream=True)
                content = await self._read_content(response)
        except TimeoutError:
            fault = ApiUnreachable(f"the API at {self._url} has not answered within {request.seconds:.0f} seconds")
            raise _Passing(fault, request.may_repeat) from None
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            fault = ApiUnreachable(f"the API at {self._url} cannot be reached: {why}")
            raise _Passing(fault, request.may_repeat or never_sent) from None
        return self._read(request, response, _parse(content))

    async def _read_content(self, response: httpx.Response) -> bytes:
        """Return the content, decompressed. Raises ApiUnreachable as soon as it is too large."""
        content = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise ApiUnreachable(f"the answer of {self._url} is larger than {MAX_ANSWER_BYTES:,} bytes")
        finally:
            await response.aclose()
        return bytes(content)

    def _build(self, request: Request) -> httpx.Request:
        headers = {} if request.idempotency_key is None else {"Idempotency-Key": request.idempotency_key}
        content = None if request.body is None else json.dumps(request.body, ensure_ascii=False).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        return self._client.build_request(
            request.method,
            self._url + request.path,
            params={name: _as_text(value) for name, value in request.query.items() if value is not None},
            content=content,
            headers=headers,
            timeout=httpx.Timeout(request.seconds, connect=min(_CONNECT_SECONDS, request.seconds)),
        )

    def _read(self, request: Request, response: httpx.Response, value: Any) -> View:
        if request.read is not None and (view := request.read(response.status_code, value)) is not None:
            return view
        if response.is_success and isinstance(value, dict):
            return value
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, dict):
            raise self._refusal(request, response, error)
        if response.status_code in (502, 503, 504):
            raise _Passing(self._strange(response), request.may_repeat)
        raise self._strange(response)

    def _refusal(self, request: Request, response: httpx.Response, error: dict[str, Any]) -> Exception:
        found = as_error(response.status_code, error, response.headers.get("X-Request-Id"))
        code = found.code if isinstance(found, ApiRefused) else None
        if code not in _PASSING_CODES:
            return found
        wait = response.headers.get("Retry-After", "")
        seconds = float(wait) if wait.isdecimal() else None
        return _Passing(found, request.may_repeat or code in _REFUSED_BEFORE, seconds)

    def _strange(self, response: httpx.Response) -> ApiUnreachable:
        status = response.status_code
        if response.is_redirect:
            return ApiUnreachable(f"{self._url} redirects ({status}); CONNECTOR_API_URL must be the API's own address")
        request_id = response.headers.get("X-Request-Id")
        named = "" if request_id is None else f" (request {request_id})"
        return ApiUnreachable(f"{self._url} does not answer as the connector's API does: HTTP {status}{named}")


class _Passing(Exception):
    """A fault that may pass; `seconds`: how long the API asks to wait."""

    def __init__(self, error: ConnectorError, may_repeat: bool, seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.may_repeat, self.seconds = error, may_repeat, seconds


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
