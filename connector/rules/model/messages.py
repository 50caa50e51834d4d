"""The messages of a campaign, one model per channel; their texts are Liquid templates (design 8)."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from connector.rules.model.mail_headers import check_headers
from connector.rules.model.values import ChannelName, Definition, Text

Template = Annotated[str, StringConstraints(strict=True, max_length=1_000_000)]

MAX_SUBJECT_OCTETS = 998
"""The limit of a subject in UTF-8: a line of a mail is no longer (RFC 5322, 2.1.1)."""
MAX_BODY_CHARACTERS = 1600
"""The limit of a text message, as of Twilio's error 21617, and of the title and the body of a push, each."""


class Part(Definition):
    """A part of a message that interactions name by its id. A plain text instead of a mapping is the id."""

    id: Text

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, data: Any) -> Any:
        return {"id": data} if isinstance(data, str) else data


class Button(Part):
    """A button of a push or an in-app message."""

    label: Template | None = None
    link: Template | None = None


class Page(Part):
    """A page of a push story."""

    title: Template | None = None
    body: Template | None = None
    link: Template | None = None


class Email(Definition):
    """An email with `html`, `text` or both, to one recipient: there is no cc and no bcc.

    Links in `html` carry their alias in `data-alias`. `preheader` is the text that mail programs show beside the
    subject; it is hidden in the HTML. `headers` are those by which providers group messages.
    """

    subject: Template
    html: Template | None = None
    text: Template | None = None
    from_: Template | None = Field(None, alias="from")
    reply_to: Template | None = None
    preheader: Template | None = None
    headers: dict[str, Template] | None = None

    @model_validator(mode="after")
    def _check_preheader(self) -> Self:
        if self.preheader is not None and self.html is None:
            raise ValueError("preheader needs html: of a mail without it, mail programs show the beginning of the text")
        return self

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        check_headers(headers or {})
        return headers


class Sms(Definition):
    """A text message."""

    body: Template


class Push(Definition):
    """A push notification with its buttons and, for a push story, its pages."""

    title: Template
    body: Template
    link: Template | None = None
    buttons: tuple[Button, ...] = ()
    pages: tuple[Page, ...] = ()


class Webhook(Definition):
    """An HTTP request. The body is sent as rendered."""

    url: Template
    method: Annotated[str, StringConstraints(pattern="^(POST|PUT|PATCH|GET|DELETE)$")] = "POST"
    headers: dict[str, Template] = Field(default_factory=dict)
    body: Template | None = None


class InAppMessage(Definition):
    """A message shown inside the app."""

    title: Template
    body: Template
    buttons: tuple[Button, ...] = ()


class ContentCard(Definition):
    """A card in the app's content feed."""

    title: Template
    body: Template
    link: Template | None = None


class NewsFeedCard(Definition):
    """A card in the News Feed."""

    title: Template
    body: Template
    link: Template | None = None


class Messages(Definition):
    """One content of a campaign: a message for each channel that it sends on."""

    email: Email | None = None
    sms: Sms | None = None
    push: Push | None = None
    webhook: Webhook | None = None
    in_app_message: InAppMessage | None = None
    content_card: ContentCard | None = None
    news_feed_card: NewsFeedCard | None = None

    @cached_property
    def channels(self) -> tuple[ChannelName, ...]:
        """The channels that have a message, in the fixed order of design 8."""
        return tuple(name for name in _CHANNELS if getattr(self, name) is not None)


_CHANNELS: tuple[ChannelName, ...] = (
    "email", "sms", "push", "webhook", "in_app_message", "content_card", "news_feed_card",
)  # fmt: skip
