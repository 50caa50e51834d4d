"""Sessions end when they are idle, over, too many or ended; addresses name the console and nothing else."""

import pytest
from starlette.datastructures import Headers

from starter.api.access.callers import ANONYMOUS, Caller
from starter.console.addresses import Addresses, ConsoleNotPublic, check_public
from starter.console.sessions import MAX_SESSIONS, MAX_SESSIONS_OF_A_KEY, Sessions
from tests.support.api import Clock


def test_idle_and_absolute_end() -> None:
    """Use keeps an idle session open, and nothing keeps one open beyond its lifetime."""
    clock = Clock()
    sessions = Sessions(lifetime_seconds=100, idle_seconds=40, clock=clock)
    used, session = sessions.begin(ANONYMOUS, None)
    idle, other = sessions.begin(ANONYMOUS, None)
    clock.now += 39
    sessions.use(session)
    clock.now += 1
    assert sessions.find(used) is session
    assert sessions.find(idle) is None
    assert other.ended.is_set()
    for _ in range(3):
        clock.now += 19
        sessions.use(session)
    assert sessions.find(used) is session
    clock.now += 3
    assert sessions.end_expired() == [session]
    assert sessions.find(used) is None


def test_sessions_are_bounded() -> None:
    """One key cannot crowd out the others, and all of them together stay bounded; the least used one ends."""
    clock, ended = Clock(), []
    sessions = Sessions(1000, 1000, clock)
    sessions.on_end = ended.append
    first = [sessions.begin(Caller("one", frozenset()), None) for _ in range(MAX_SESSIONS_OF_A_KEY)]
    clock.now += 1
    sessions.use(first[0][1])
    sessions.begin(Caller("one", frozenset()), None)
    assert ended == [first[1][1]]
    for number in range(2 * MAX_SESSIONS):
        sessions.begin(Caller(str(number), frozenset()), None)
    assert len(sessions) == MAX_SESSIONS


def test_ids_are_random_and_kept_as_digests() -> None:
    """Whoever reads the table of sessions cannot sign in with what is in it."""
    sessions = Sessions(1000, 1000)
    ids = {sessions.begin(ANONYMOUS, None)[0] for _ in range(20)}
    assert len(ids) == 20
    assert all(len(id) >= 43 for id in ids)
    assert not any(id in repr(vars(sessions)) for id in ids)
    assert sessions.find("\udcff") is None


@pytest.mark.parametrize(
    ("public_url", "host", "right"),
    [
        (None, "127.0.0.1:8090", True),
        (None, "localhost:8090", True),
        (None, "[::1]:8090", True),
        (None, "console.shop.example", False),
        (None, "127.0.0.1.evil.example", False),
        (None, "localhost.evil.example", False),
        (None, "evil.example@127.0.0.1", False),
        (None, "127.0.0.1:8090:9", False),
        (None, "[::1", False),
        (None, "", False),
        ("https://console.shop.example", "console.shop.example", True),
        ("https://console.shop.example", "CONSOLE.shop.example", True),
        ("https://console.shop.example", "console.shop.example:8443", False),
        ("https://console.shop.example", "shop.example", False),
        ("https://console.shop.example", "127.0.0.1:8090", True),
        ("https://console.shop.example:8443", "console.shop.example:8443", True),
    ],
)
def test_hosts(public_url: str | None, host: str, right: bool) -> None:
    """DNS rebinding: a foreign page that points its own name here is refused by that name."""
    assert Addresses(public_url).is_host(Headers({"host": host})) is right


@pytest.mark.parametrize(
    ("public_url", "host", "origin", "more", "right"),
    [
        (None, "127.0.0.1:8090", "http://127.0.0.1:8090", {}, True),
        (None, "127.0.0.1:8090", "http://127.0.0.1:8080", {}, False),
        (None, "127.0.0.1:8090", "http://localhost:8090", {}, False),
        (None, "127.0.0.1:8090", "null", {}, False),
        (None, "127.0.0.1:8090", None, {}, False),
        (None, "127.0.0.1:8090", "file://", {}, False),
        (None, "127.0.0.1:8090", "http://127.0.0.1:8090.evil.example", {}, False),
        (None, "127.0.0.1:8090", "http://127.0.0.1:8090", {"sec-fetch-site": "same-origin"}, True),
        (None, "127.0.0.1:8090", "http://127.0.0.1:8090", {"sec-fetch-site": "same-site"}, False),
        (None, "127.0.0.1:8090", "http://127.0.0.1:8090", {"sec-fetch-site": "cross-site"}, False),
        ("https://c.example", "c.example", "https://c.example", {}, True),
        ("https://c.example", "c.example", "http://c.example", {}, False),
        ("https://c.example", "c.example", "https://evil.example", {}, False),
        ("https://c.example", "c.example", "https://c.example.evil.example", {}, False),
        ("https://c.example", "127.0.0.1:8090", "https://c.example", {}, False),
        ("https://c.example", "127.0.0.1:8090", "http://127.0.0.1:8090", {}, True),
    ],
)
def test_origins(public_url: str | None, host: str, origin: str | None, more: dict[str, str], right: bool) -> None:
    """Only pages of the console itself send forms and open websockets."""
    sent = {"host": host, **more, **({} if origin is None else {"origin": origin})}
    assert Addresses(public_url).is_own_origin(Headers(sent)) is right


@pytest.mark.parametrize(
    ("host", "public_url", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("10.0.0.7", None, False),
        ("0.0.0.0", "https://console.shop.example", True),
    ],
)
def test_public_address(host: str, public_url: str | None, allowed: bool) -> None:
    """Beyond loopback the console needs a public URL, because it checks Host and Origin against it."""
    if allowed:
        check_public(host, public_url)
        return
    with pytest.raises(ConsoleNotPublic, match="CONNECTOR_CONSOLE_PUBLIC_URL"):
        check_public(host, public_url)
