"""Inbox tokens: whom they let in, and whom they do not."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr, ValidationError

from connector.inbox.tokens import InboxTokens, InvalidInboxToken, MissingInboxSecret
from connector.settings.inbox import InboxSettings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
USER, OTHER = "0" * 31 + "a", "0" * 31 + "b"
OLD, NEW = SecretStr("an old secret of thirty-two characters"), SecretStr("a new secret of thirty-two characters!")
TOKENS = InboxTokens("default", [OLD])
TOKEN, ENDS = TOKENS.create(USER, "u-17", NOW, timedelta(hours=1))


def test_it_opens_one_inbox_until_it_ends() -> None:
    """Valid before its end, and not at it."""
    assert timedelta(hours=1) == ENDS - NOW
    assert TOKENS.verify(TOKEN).user_key_at(ENDS - timedelta(seconds=1)) == USER
    with pytest.raises(InvalidInboxToken, match="expired"):
        TOKENS.verify(TOKEN).user_key_at(ENDS)


def test_no_character_of_it_can_be_changed_or_left_out() -> None:
    """Forged and truncated tokens are refused, whichever character is another or missing."""
    forged = [TOKEN[:n] + ("A" if TOKEN[n] != "A" else "B") + TOKEN[n + 1 :] for n in range(len(TOKEN))]
    cut = [TOKEN[:n] for n in range(len(TOKEN))]
    others = [TOKEN + "A", TOKEN + "=", TOKEN + "\n", TOKEN.replace(USER, OTHER), TOKEN.replace("0", "٠", 1)]
    for token in forged + cut + others:
        with pytest.raises(InvalidInboxToken):
            TOKENS.verify(token)


@pytest.mark.parametrize("elsewhere", [InboxTokens("default", [NEW]), InboxTokens("o", [OLD]), InboxTokens("o", [])])
def test_it_holds_for_its_workspace_and_secret(elsewhere: InboxTokens) -> None:
    """Neither another workspace nor another secret accepts it, nor a workspace without any."""
    with pytest.raises(InvalidInboxToken):
        elsewhere.verify(TOKEN)


def test_a_secret_is_replaced_without_a_gap() -> None:
    """The first secret signs, all are accepted."""
    both = InboxTokens("default", [NEW, OLD])
    assert both.verify(TOKEN).user_key_at(NOW) == USER
    assert InboxTokens("default", [NEW]).verify(both.create(USER, "u-17", NOW, timedelta(hours=1))[0]).user_key == USER


def test_it_is_for_an_id_of_its_user() -> None:
    """Any other id, and the same one in another case or workspace, is refused; an old secret's mark is known."""
    grant = TOKENS.verify(TOKEN)
    for tokens in (TOKENS, InboxTokens("default", [NEW, OLD])):
        tokens.check_id(grant, ["another", "u-17"])
    for tokens, ids in ((TOKENS, ["another", "U-17"]), (InboxTokens("o", [OLD]), ["u-17"]), (TOKENS, [])):
        with pytest.raises(InvalidInboxToken, match="id"):
            tokens.check_id(grant, ids)


def test_nothing_is_signed_without_a_secret() -> None:
    """There is no default that everybody knows."""
    with pytest.raises(MissingInboxSecret, match="CONNECTOR_INBOX_SECRETS"):
        InboxTokens("default", InboxSettings().secrets).create(USER, "u-17", NOW, timedelta(hours=1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": ["short"]},
        {"origins": ["*"]},
        {"origins": ["https://shop.test/"]},
        {"origins": ["shop.test"]},
        {"token_lifetime": timedelta(days=31)},
        {"token_lifetime": timedelta(0)},
        {"expiry": {"content_card": "0 days"}},
        {"expiry": {"email": "1 day"}},
        {"priorities": 5},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    """A short secret, any origin at all, or a kind that has no inbox."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        InboxSettings(**wrong)  # type: ignore[arg-type]
