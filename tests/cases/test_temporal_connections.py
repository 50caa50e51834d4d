"""Cases of settings of Temporal that are wrong: each is named in a few words, with the setting that would be right.

Sources: Temporal's environment configuration (docs.temporal.io, "Environment configuration": TEMPORAL_ADDRESS,
_NAMESPACE, _API_KEY, _TLS, _TLS_*), RFC 8446 section 6.2 (alerts of TLS), RFC 9113 section 3.4 (a peer that speaks no
HTTP/2), the status codes of gRPC (grpc.io, "Status codes").
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode

from connector.settings.environment import SettingsWrong
from connector.temporal import client as client_module
from connector.temporal.client import TemporalLink, TemporalUnavailable
from connector.temporal.connection_faults import describe_connection_fault
from tests.support.certificates import write_certificate

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def speak_http_1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    write_certificate(cert, key, is_authority=False)
    return cert, key


def serving(certificate: tuple[Path, Path], *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2"])
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])
    return context


async def fault_of(
    address: str, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool = False, **settings: object
) -> str:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    monkeypatch.setattr(client_module, "_CONNECT_TIMEOUT_SECONDS", 2.0 if is_silent else 60.0)
    for name, value in settings.items():
        monkeypatch.setenv(f"TEMPORAL_{name}", str(value))
    with pytest.raises(TemporalUnavailable) as refused:
        await TemporalLink().client()
    assert address in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "nothing listens there"),
        ("temporal.invalid:7233", "its name cannot be resolved"),
        ("http://127.0.0.1:1", "nothing listens there"),
    ],
)
@pytest.mark.filterwarnings("ignore:Target host as URL")
async def test_address_where_nobody_is(address: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another port, another name and a URL instead of an address: each is named."""
    assert reason in await fault_of(address, monkeypatch)


@pytest.mark.parametrize(
    ("talk", "reason"),
    [(be_silent, "it does not answer"), (close, "TEMPORAL_TLS=true"), (speak_http_1, "no Temporal server")],
)
async def test_something_else_listens(talk: Talk, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is silent, that closes what it does not understand, and a web server."""
    async with listening(talk) as address:
        assert reason in await fault_of(address, monkeypatch, is_silent=talk is be_silent)


async def test_tls_that_only_one_side_speaks(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS against a server without it, also by an API key, and none against a server that wants it."""
    async with listening(be_silent, serving(certificate)) as address:
        assert "TEMPORAL_TLS=true" in await fault_of(address, monkeypatch)
    async with listening(speak_http_1) as address:
        assert "it does not speak TLS" in await fault_of(address, monkeypatch, TLS="true")
        monkeypatch.delenv("TEMPORAL_TLS")
        assert "it does not speak TLS" in await fault_of(address, monkeypatch, API_KEY="k" * 20)


async def test_certificates(certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of nobody that is trusted, one of another name, and a server that wants the client's."""
    own = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(*own)
    async with listening(be_silent, serving(own)) as address:
        assert "TEMPORAL_TLS_SERVER_CA_CERT_PATH" in await fault_of(address, monkeypatch, TLS="true")
    async with listening(be_silent, serving(certificate)) as address:
        assert "TEMPORAL_TLS_SERVER_CA_CERT_PATH" in await fault_of(address, monkeypatch, TLS="true")
        trusted = {"TLS": "true", "TLS_SERVER_CA_CERT_PATH": certificate[0]}
        fault = await fault_of(address, monkeypatch, **trusted, TLS_SERVER_NAME="temporal.example")
        assert "TEMPORAL_TLS_SERVER_NAME" in fault
        monkeypatch.delenv("TEMPORAL_TLS_SERVER_NAME")
    async with listening(be_silent, serving(certificate, wants_client=True)) as address:
        assert "TEMPORAL_TLS_CLIENT_CERT_PATH" in await fault_of(address, monkeypatch, **trusted)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("ADDRESS", "temporal server:7233", "TEMPORAL_ADDRESS"),
        ("ADDRESS", ":7233:", "TEMPORAL_ADDRESS"),
        ("TLS_CLIENT_CERT_PATH", "/nowhere/cert.pem", "TEMPORAL_"),
        ("PROFILE", "nonsense", "TEMPORAL_"),
    ],
)
async def test_settings_that_cannot_be_read(name: str, value: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreadable settings are refused at once, in one sentence, because waiting does not correct them."""
    monkeypatch.setenv(f"TEMPORAL_{name}", value)
    with pytest.raises(SettingsWrong, match=named):
        await TemporalLink().client()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RPCError("Namespace nope is not found.", RPCStatusCode.NOT_FOUND, b""), "TEMPORAL_NAMESPACE"),
        (RPCError("unauthorized", RPCStatusCode.UNAUTHENTICATED, b""), "TEMPORAL_API_KEY"),
        (RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b""), "TEMPORAL_API_KEY"),
        (RPCError("Timeout expired", RPCStatusCode.DEADLINE_EXCEEDED, b""), "does not answer"),
        (RPCError("rate limit", RPCStatusCode.RESOURCE_EXHAUSTED, b""), "RESOURCE_EXHAUSTED: rate limit"),
        (
            RuntimeError('call error after connection: Status { code: Unauthenticated, message: "" }'),
            "TEMPORAL_API_KEY",
        ),
        (RuntimeError("call error after connection: Status { code: PermissionDenied }"), "TEMPORAL_API_KEY"),
        (RuntimeError("something new"), "something new"),
    ],
)
def test_answers_of_a_server(error: Exception, reason: str) -> None:
    """Each answer of a server about the namespace or the credentials becomes a reason in words."""
    assert reason in describe_connection_fault(error)
