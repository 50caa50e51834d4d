"""User tokens: they name exactly one user for a time, and nothing but our own signature makes one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from starter.api.access.user_tokens import InvalidUserToken, MissingClientSecret, UserTokens
from tests.support.client_keys import sign

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW = SecretStr("o" * 32), SecretStr("n" * 32)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255)


def tokens(*secrets: SecretStr, workspace: str = "default") -> UserTokens:
    """Return the tokens of a workspace."""
    return UserTokens(workspace, secrets)


@given(ids)
def test_a_token_names_its_user(user: str) -> None:
    """Whatever the id consists of."""
    token, expires_at = tokens(NEW).create(user, NOW, HOUR)
    assert expires_at == NOW + HOUR
    assert tokens(NEW).verify(token, NOW) == user


@given(st.text() | st.from_regex(r"user-v1\.[A-Za-z0-9_-]{1,20}\.[0-9]{1,11}\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_garbage_is_refused(token: str) -> None:
    """By InvalidUserToken, and by nothing else."""
    with pytest.raises(InvalidUserToken):
        tokens(NEW).verify(token, NOW)


def test_until_its_expiry() -> None:
    """Not at its expiry, and not if it is valid for more than 30 days."""
    token, expires_at = tokens(NEW).create("u", NOW, HOUR)
    assert tokens(NEW).verify(token, expires_at - timedelta(seconds=1)) == "u"
    for now in (expires_at, NOW - timedelta(days=30)):
        with pytest.raises(InvalidUserToken):
            tokens(NEW).verify(token, now)


def test_secrets_are_rotated() -> None:
    """The first one signs, all are accepted, and a withdrawn one is not; without one nothing is signed or accepted."""
    token, _ = tokens(OLD).create("u", NOW, HOUR)
    assert tokens(NEW, OLD).verify(token, NOW) == "u"
    assert tokens(NEW).verify(tokens(NEW, OLD).create("u", NOW, HOUR)[0], NOW) == "u"
    for others in (tokens(NEW), tokens(), tokens(OLD, workspace="other")):
        with pytest.raises(InvalidUserToken):
            others.verify(token, NOW)
    with pytest.raises(MissingClientSecret):
        tokens().create("u", NOW, HOUR)


@pytest.mark.parametrize("user", ["", "\0", "u" * 256])
def test_a_server_must_sign_a_user_id(user: str) -> None:
    """Signed by the secret's owner, but no id that a user can have."""
    with pytest.raises(InvalidUserToken):
        tokens(NEW).verify(sign(user, secret=NEW.get_secret_value()), datetime.now(UTC))  # noqa: TID251 - the signer's
