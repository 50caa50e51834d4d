"""Tokens: what was written is read, and nothing else is."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.tracking.packing import pack_text, unpack_delivery, unpack_text
from connector.tracking.tokens import LinkKind, Token, TokenExpired, TokenInvalid, Tokens

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DELIVERY = "0123456789abcdef0123456789.email"
OLD, NEW = "an old secret, which is long enough!", "a new secret, which is long enough!!"


def tokens(*secrets: str, workspace: str = "default", days: int = 400) -> Tokens:
    return Tokens(secrets or [NEW], workspace, lifetime=timedelta(days=days))


def example(kind: LinkKind) -> Token:
    url = "https://shop.example/sale?a=1&b=2#c" if kind in (LinkKind.CLICK, LinkKind.SHORT) else None
    return Token(kind, DELIVERY, 3 if url else 0, "cta" if url else None, url)


ids = st.one_of(
    st.from_regex(r"[0-9a-f]{2,52}\.(email|sms|in_app_message|other)", fullmatch=True), st.text("aZ0-._é", max_size=60)
)
urls = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=600)


@given(ids, st.integers(0, 0xFFFF), st.none() | st.text("aé _-", min_size=1, max_size=60), urls)
def test_what_was_written_is_read(delivery: str, link: int, alias: str | None, url: str) -> None:
    """Any delivery, link, alias and target come back as they were."""
    for kind in (LinkKind.CLICK, LinkKind.SHORT):
        token = Token(kind, delivery, link, alias, url)
        assert tokens().read(tokens().write(token, at=AT), kind, at=AT) == token


@pytest.mark.parametrize("kind", LinkKind)
def test_a_token_of_another_kind_is_refused(kind: LinkKind) -> None:
    """A pixel's token unsubscribes nobody, and a short one is no long one."""
    text = tokens().write(example(kind), at=AT)
    assert tokens().read(text, kind, at=AT) == example(kind)
    for other in set(LinkKind) - {kind}:
        with pytest.raises(TokenInvalid):
            tokens().read(text, other, at=AT)


@pytest.mark.parametrize("kind", LinkKind)
def test_every_changed_or_cut_token_is_refused(kind: LinkKind) -> None:
    """Each character counts, also the unused bits of the last one; so does each that is missing or added."""
    text = tokens().write(example(kind), at=AT)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = [text[:n] + c + text[n + 1 :] for n in range(len(text)) for c in alphabet[:: 1 if n > 70 else 9]]
    cut = [text[:n] for n in range(len(text))] + [text[n:] for n in range(1, len(text))]
    added = [text + end for end in ("A", "=", "==", "\n", " ", "%00", "é", "AAAA")]
    for forged in {*changed, *cut, *added} - {text}:
        with pytest.raises(TokenInvalid):
            tokens().read(forged, kind, at=AT)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_nothing_made_up_is_read(text: str) -> None:
    """Whatever stands in the path, it is refused as such."""
    for kind in LinkKind:
        with pytest.raises(TokenInvalid):
            tokens().read(text, kind, at=AT)


def test_a_huge_token_is_refused_unread() -> None:
    """A path of megabytes costs nothing."""
    with pytest.raises(TokenInvalid):
        tokens().read("A" * 5_000_000, LinkKind.CLICK, at=AT)


def test_another_key_or_workspace_reads_nothing() -> None:
    """Who signs with another secret, or for another workspace, signs nothing of ours."""
    text = tokens(OLD).write(example(LinkKind.CLICK), at=AT)
    for reader in (tokens(NEW), tokens(OLD, workspace="other"), tokens()):
        with pytest.raises(TokenInvalid):
            reader.read(text, LinkKind.CLICK, at=AT)


def test_the_first_key_signs_and_all_verify() -> None:
    """A secret is rotated by putting a new one first; links of a removed secret are invalid."""
    old, both = tokens(OLD), tokens(NEW, OLD)
    assert both.read(old.write(example(LinkKind.OPEN), at=AT), LinkKind.OPEN, at=AT) == example(LinkKind.OPEN)
    assert tokens(NEW).read(both.write(example(LinkKind.OPEN), at=AT), LinkKind.OPEN, at=AT) == example(LinkKind.OPEN)


@pytest.mark.parametrize("kind", LinkKind)
def test_tokens_expire_as_set(kind: LinkKind) -> None:
    """Good to the end of the last day in UTC, and known as expired after it."""
    text = tokens(days=30).write(example(kind), at=AT)
    last = datetime(2026, 4, 1, 23, 59, 59, tzinfo=UTC)
    assert tokens().read(text, kind, at=last) == example(kind)
    with pytest.raises(TokenExpired):
        tokens().read(text, kind, at=last + timedelta(seconds=1))


def test_a_forged_token_is_not_called_expired() -> None:
    """The signature is looked at before anything that it covers."""
    text = tokens(OLD, days=1).write(example(LinkKind.OPEN), at=AT)
    with pytest.raises(TokenInvalid):
        tokens(NEW).read(text, LinkKind.OPEN, at=AT + timedelta(days=9))


def test_what_would_not_fit_is_not_written() -> None:
    """A token stays short enough for every proxy, however well its target deflates."""
    scattered = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    for url in ("https://x.example/" + "a" * 5000, "https://x.example/" + scattered):
        with pytest.raises(ValueError, match="too long"):
            tokens().write(Token(LinkKind.CLICK, DELIVERY, 0, None, url), at=AT)


def test_tokens_are_short() -> None:
    """A text message has 160 characters: a usual target takes less than half of them."""
    url = "https://www.shop.example/sale?utm_source=connector&utm_medium=sms&utm_campaign=spring"
    short = tokens().write(Token(LinkKind.SHORT, "0123456789abcdef0123456789.sms", 0, None, url), at=AT)
    plain = tokens().write(
        Token(LinkKind.SHORT, "0123456789abcdef0123456789.sms", 0, None, "https://shop.example/s"), at=AT
    )
    assert len(short) <= 88
    assert len(plain) <= 64
    assert len(tokens().write(example(LinkKind.OPEN), at=AT)) <= 48


def test_packed_texts_are_bounded() -> None:
    """What inflates beyond every target is none, nor is anything else that was not packed here."""
    deflate = zlib.compressobj(9, wbits=-15)
    bomb = b"\1" + deflate.compress(b"a" * 10_000_000) + deflate.flush()
    for data in (bomb, b"", b"\1", b"\2abc", pack_text("https://x.example/" * 9)[:-2]):
        with pytest.raises(ValueError, match=r"pack|decode|codec"):
            unpack_text(data)
    for data in (b"", b"\1", b"\1\5abc", b"\x63\1a"):
        with pytest.raises(ValueError, match="delivery"):
            unpack_delivery(data)


def test_packing_means_the_same_for_ever() -> None:
    """Links of old mails are read by later releases: this token was written by the first."""
    first = FIRST_TOKEN
    assert tokens().read(first, LinkKind.CLICK, at=AT) == example(LinkKind.CLICK)


FIRST_TOKEN = "Y1GyAQ0BI0VniavN7wEjRWeJAAMBSy5JhAuCBVIrgEbmpOqDfGKfaGuolmRrpJwMAPVVzrQz10EgI6Gh-WYAWDU"
