"""Push by FCM's HTTP v1 API: messages, access tokens, and users with several devices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth import jwt
from pytest_httpserver import HTTPServer

from connector.channels.fcm import FcmChannel
from connector.channels.google_token import InvalidCredentials
from connector.channels.protocol import (
    Accepted,
    Address,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.settings.providers import Fcm
from tests.support.certificates import Talk
from tests.support.provider_servers import PROJECT, SEND, FcmServer, fcm, fcm_error, key_file

NOW = 1_772_452_800.0
Serve = Callable[[Talk], AbstractAsyncContextManager[int]]
GONE = (404, fcm_error(404, "UNREGISTERED"))
BUSY = (503, fcm_error(503, "UNAVAILABLE"))
BROKEN = (500, fcm_error(500, "INTERNAL"))
BAD = (400, fcm_error(400, "INVALID_ARGUMENT"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fcm")


@pytest.fixture
def settings(folder: Path, httpserver: HTTPServer) -> Fcm:
    """A service account at this test's server."""
    url = httpserver.url_for("").rstrip("/")
    path = folder / "account.json"
    if not path.exists():
        key_file(folder, "http://token.test")
    return fcm(path, url, token_url=f"{url}/token")


async def send(settings: Fcm, *tokens: str, channel: FcmChannel | None = None, **content: Any) -> Accepted:
    """Send through `channel`; None: one of its own."""
    push = channel or FcmChannel(settings, clock=lambda: NOW)
    address = Address("u-1", push_tokens=tokens)
    try:
        return await push.send(
            OutgoingMessage("d-1.push", "welcome", "push", address, {"title": "Hi", "body": "b"} | content)
        )
    finally:
        if channel is None:
            await push.close()


async def fault_of(settings: Fcm, *tokens: str, **content: Any) -> Any:
    """The fault that a send ends in."""
    with pytest.raises(SendError) as raised:
        await send(settings, *tokens, **content)
    return raised.value


async def test_a_push_goes_to_each_token(httpserver: HTTPServer, settings: Fcm):
    """One request a token, with notification, data for the app, and the delivery's id as its tag."""
    server = FcmServer(httpserver)
    buttons, pages = [{"id": "snooze", "label": "Später"}], [{"id": "1", "title": "T"}]
    accepted = await send(settings, "t1", "t2", "t1", link="https://shop.test/a", buttons=buttons, pages=pages)
    assert accepted.provider_id in {f"projects/{PROJECT}/messages/{number}" for number in (1, 2)}
    assert sorted(message.pop("token") for message in server.taken) == ["t1", "t2"]
    assert server.taken[0] == server.taken[1] == {
        "notification": {"title": "Hi", "body": "b"},
        "data": {
            "delivery": "d-1.push",
            "campaign": "welcome",
            "link": "https://shop.test/a",
            "buttons": json.dumps(buttons, ensure_ascii=False),
            "pages": json.dumps(pages),
        },
        "android": {"notification": {"tag": "d-1.push"}},
        "apns": {"headers": {"apns-collapse-id": "d-1.push"}},
        "webpush": {"fcm_options": {"link": "https://shop.test/a"}},
    }  # fmt: skip


async def test_a_link_into_the_app_is_data_only(httpserver: HTTPServer, settings: Fcm):
    """FCM refuses a web link that is not https."""
    server = FcmServer(httpserver)
    await send(settings, "t1", link="shop://cart")
    assert "webpush" not in server.taken[0]
    assert server.taken[0]["data"]["link"] == "shop://cart"


async def test_the_assertion_is_signed_by_the_account(httpserver: HTTPServer, settings: Fcm, folder: Path):
    """RFC 7523: who asks, for what, from whom and until when, under the account's key."""
    server = FcmServer(httpserver)
    await send(settings, "t1")
    [grant] = server.granted
    assert grant["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(grant["assertion"], (folder / "public.pem").read_bytes(), clock_skew_in_seconds=10**10)
    assert claims == {
        "iss": "push@shop-1.test",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": settings.token_url,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }
    assert jwt.decode_header(grant["assertion"])["kid"] == "key-1"


async def test_an_access_token_is_kept_until_it_ends(httpserver: HTTPServer, settings: Fcm):
    """Many sends at once ask for one token; a minute before its end for the next."""
    server, clock = FcmServer(httpserver), [NOW]
    push = FcmChannel(settings, clock=lambda: clock[0])
    await asyncio.gather(*(send(settings, f"t{n}", channel=push) for n in range(8)))
    clock[0] += 3539
    await send(settings, "t", channel=push)
    assert len(server.granted) == 1
    clock[0] += 1
    await send(settings, "t", channel=push)
    assert len(server.granted) == 2
    await push.close()


async def test_a_refused_access_token_is_renewed_once(httpserver: HTTPServer, settings: Fcm):
    """401: another token is asked for; a second 401 is about the settings, and passes."""
    server = FcmServer(httpserver)
    server.refused = 1
    await send(settings, "t1")
    assert (len(server.granted), len(server.taken)) == (2, 1)
    server.refused = 2
    fault = await fault_of(settings, "t1")
    assert (type(fault), fault.code) == (TryLater, "fcm_http_401")
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("answers", "kind", "code", "invalid"),
    [
        ({}, Accepted, None, ()),
        ({"a": GONE}, Accepted, None, ("a",)),
        ({"a": GONE, "b": GONE}, Rejected, "unregistered", ("a", "b")),
        ({"a": BUSY}, Accepted, None, ()),
        ({"a": BROKEN}, Accepted, None, ()),
        ({"a": GONE, "b": BUSY}, TryLater, "fcm_http_503", ()),
        ({"a": BUSY, "b": BROKEN}, OutcomeUnknown, "fcm_http_500", ()),
        ({"a": GONE, "b": BAD}, Rejected, "fcm_invalid_argument", ("a",)),
        ({"a": (403, fcm_error(403, "SENDER_ID_MISMATCH")), "b": GONE}, Rejected, "sender_id_mismatch", ("b",)),
        ({"a": (404, fcm_error(404, None)), "b": (404, "text")}, TryLater, "fcm_http_404", ()),
        ({"a": (403, {}), "b": (403, {"error": "x"})}, TryLater, "fcm_http_403", ()),
        ({"a": (429, fcm_error(429, "QUOTA_EXCEEDED")), "b": GONE}, TryLater, "fcm_http_429", ()),
        ({"a": (400, {"error": {"details": [7, {"errorCode": 7}]}}), "b": GONE}, Rejected, "fcm_http_400", ("b",)),
        ({"a": (400, {"error": {"details": 7}}), "b": GONE}, Rejected, "fcm_http_400", ("b",)),
    ],
)
async def test_two_tokens_give_one_outcome(
    httpserver: HTTPServer,
    settings: Fcm,
    answers: dict[str, tuple[int, Any]],
    kind: type[Any],
    code: str | None,
    invalid: tuple[str, ...],
):
    """Taken by one is sent; else what may have been sent; else what may go yet; only UNREGISTERED ends a token."""
    FcmServer(httpserver, answers)
    outcome: Any
    try:
        outcome = await send(settings, "a", "b")
    except SendError as fault:
        outcome = fault
    assert (type(outcome), getattr(outcome, "code", None)) == (kind, code)
    assert getattr(outcome, "invalid_tokens", ()) == invalid
    waits = code in ("fcm_http_503", "fcm_http_429")
    assert getattr(outcome, "retry_after", None) == (timedelta(seconds=7) if waits else None)


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, '{"error": "invalid_grant"}'), (200, "{}"), (200, '{"access_token": "a\\nb"}'), (503, "")],
)
async def test_without_an_access_token_nothing_is_sent(httpserver: HTTPServer, settings: Fcm, status: int, body: str):
    """A key that was revoked, or an endpoint that is away, is no fault of the message."""
    httpserver.expect_request("/token").respond_with_data(body, status)
    fault = await fault_of(settings, "t1")
    assert (type(fault), fault.code) == (TryLater, "fcm_auth")
    assert [request.path for request, _ in httpserver.log] == ["/token"]


async def test_a_token_endpoint_that_drops_the_connection_passes(settings: Fcm, raw_server: Serve):
    """No message can have gone out without an access token, so the lost answer is not an unknown outcome."""

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(drop) as port:
        fault = await fault_of(settings.model_copy(update={"token_url": f"http://127.0.0.1:{port}/token"}), "t1")
    assert (type(fault), fault.code) == (TryLater, "fcm_auth")


async def test_accepted_and_dropped_is_unknown(httpserver: HTTPServer, settings: Fcm, raw_server: Serve):
    """Guarantee 4: the request went out and its answer was lost."""
    FcmServer(httpserver)

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(drop) as port:
        fault = await fault_of(settings.model_copy(update={"api_url": f"http://127.0.0.1:{port}"}), "t1", "t2")
    assert (type(fault), fault.code) == (OutcomeUnknown, "fcm_no_answer")


async def test_silence_ends_in_time(httpserver: HTTPServer, settings: Fcm, raw_server: Serve):
    """However many tokens there are, one send has one timeout: requests that did not start certainly sent nothing."""
    FcmServer(httpserver)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    changed = {"timeout": timedelta(seconds=0.5)}
    async with raw_server(hang) as port:
        silent = settings.model_copy(update=changed | {"api_url": f"http://127.0.0.1:{port}"})
        async with asyncio.timeout(5):
            fault = await fault_of(silent, *(f"t{n}" for n in range(30)))
        assert (type(fault), fault.code) == (OutcomeUnknown, "fcm_no_answer")
        silent = settings.model_copy(update=changed | {"token_url": f"http://127.0.0.1:{port}"})
        async with asyncio.timeout(5):
            fault = await fault_of(silent, "t1", "t2")
        assert (type(fault), fault.code) == (TryLater, "fcm_auth")


@pytest.mark.parametrize(
    ("tokens", "content", "code"),
    [
        ((), {}, "unregistered"),
        (("t",), {"body": "x" * 4096}, "push_too_long"),
        (("t",), {"body": "x" * 5_000_000}, "push_too_long"),
        (("t",), {"pages": [{"id": "1", "body": "x" * 4096}]}, "push_too_long"),
        (("t",), {"title": "\ud800"}, "push_invalid"),
    ],
)
async def test_what_fcm_would_refuse_is_not_asked(
    httpserver: HTTPServer, settings: Fcm, tokens: tuple[str, ...], content: dict[str, Any], code: str
):
    """Not even an access token is requested."""
    fault = await fault_of(settings, *tokens, **content)
    assert (type(fault), fault.code) == (Rejected, code)
    assert httpserver.log == []


@pytest.mark.parametrize("token", ["t\r\nX: y", "../../other", "☃", "x" * 100_000])
async def test_a_token_is_only_ever_a_text_in_the_body(httpserver: HTTPServer, settings: Fcm, token: str):
    """Whatever a client app reported as its token, it changes neither address nor headers."""
    server = FcmServer(httpserver)
    await send(settings, token)
    assert [message["token"] for message in server.taken] == [token]
    assert [request.path for request, _ in httpserver.log] == ["/token", SEND]


@pytest.mark.parametrize(
    "text",
    [None, "no json", "[]", "{}", '{"client_email": "a", "private_key": "k", "token_uri": "u", "project_id": "p"}'],
)
def test_a_key_file_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, text: str | None):
    """The variable is named, the file's content is not."""
    path = tmp_path / "account.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidCredentials, match="CONNECTOR_FCM_CREDENTIALS"):
        FcmChannel(fcm(path, "https://fcm.test"))
