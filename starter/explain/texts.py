"""Load and describe message texts that are kept: by the inbox, or for `CONNECTOR_KEEP_MESSAGES`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from connector.channels.summaries import body_of, in_one_line, title_of
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.texts import load_texts
from connector.store.users.inbox import load_contents

_MAX_CHARACTERS = 120


class MessageTextView(BaseModel):
    """The text of one message of a follow-up.

    Args:
        content: the fields of its channel, rendered. Links are as written, without tracking, and of a webhook there are
            no headers and only the host of the URL.
        cut: those of the fields that were longer than what is kept.
    """

    channel: str
    resend: int
    content: dict[str, Any]
    cut: list[str]


@dataclass(frozen=True)
class RenderedText:
    """The text of one message; `cut` names the fields that were longer than what is kept."""

    content: Mapping[str, Any]
    cut: list[str]


async def load_rendered(
    tx: Transaction, user_key: str, delivery_ids: Collection[str], now: datetime
) -> dict[str, RenderedText]:
    """Load the texts of a user's messages that are kept as of `now` (UTC), by delivery, in two statements."""
    found = {id: RenderedText(content, []) for id, content in (await load_contents(tx, user_key, delivery_ids)).items()}
    texts = await load_texts(tx, user_key, delivery_ids, now)
    return found | {id: RenderedText(text.content, list(text.cut)) for id, text in texts.items()}


def describe_content(content: Mapping[str, Any]) -> str:
    """Return the title and the text of a rendered message in one line, as a reader would recognise it, shortened."""
    line = " · ".join(part for part in (title_of(content), body_of(content)) if part)
    return in_one_line(line, _MAX_CHARACTERS)
