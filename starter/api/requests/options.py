"""Request bodies with options: of lifecycle orders, and of actions in an inbox."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.audit import MAX_REASON_CHARACTERS
from connector.rules.model.values import ChannelName, Text, UtcInstant
from starter.operations.orders import MAX_ORDERED

_Name = Annotated[Text, Field(max_length=64)]


class NoOptions(BaseModel):
    """No options."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OrderOptions(NoOptions):
    """Options of every order. `reason` is why, for the audit trail, which keeps it for good: do not name users."""

    reason: Annotated[Text, Field(max_length=MAX_REASON_CHARACTERS)] | None = None


class PublishOptions(OrderOptions):
    """Options of `publish`.

    `with_follow_ons` also publishes the draft follow-ons that listen to the campaign (P5); `allow_missed` publishes
    even if a draft follow-on will miss launch-time interactions (P3).
    """

    with_follow_ons: bool = False
    allow_missed: bool = False


class OrderRequest(PublishOptions):
    """An order about one or several campaigns and cards, all or nothing.

    With `dry_run`, which only `resume` has, nothing is changed: the response is like that of
    `GET /v1/campaigns/{id}/resume`.
    """

    verb: OrderVerb
    ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_ORDERED)]
    dry_run: bool = False

    @model_validator(mode="after")
    def _options_of_verb(self) -> OrderRequest:
        if self.verb != "publish" and (self.with_follow_ons or self.allow_missed):
            raise ValueError("only publish has with_follow_ons and allow_missed")
        if self.verb != "resume" and self.dry_run:
            raise ValueError("only resume has dry_run; POST /v1/plan shows what publish would do")
        return self


Moment = Annotated[UtcInstant, Field(strict=False)]
Note = Annotated[Text, Field(max_length=MAX_REASON_CHARACTERS)]
"""Why, for the audit trail, which keeps it for good: do not name users."""


class PreviewOptions(NoOptions):
    """What is previewed, and for whom.

    `definition` is an edited definition, as a text in YAML or as JSON; without it, the newest saved one, or with `live`
    the live one. `user` is an id that services use; without it, the user is invented from `profile`, whose fields
    otherwise replace those of the user. `trigger` is the item that triggers, in wire form without its user; without it,
    the user's newest that fits, else an invented one. Without `channel`, every message; without `variant`, the user's.
    `revision` is the number of a published revision, to preview that instead of the newest saved one.
    """

    definition: Annotated[str, Field(max_length=2_000_000)] | dict[str, Any] | None = None
    user: Text | None = None
    profile: dict[str, Any] | None = None
    channel: ChannelName | None = None
    variant: Text | None = None
    trigger: dict[str, Any] | None = None
    live: bool = False
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class SendTestOptions(PreviewOptions):
    """As `PreviewOptions`, and where to send it: an email address, a phone number or a push token."""

    address: Annotated[Text, Field(max_length=4096)]
    reason: Note | None = None


class InboxActionOptions(NoOptions):
    """The acting user: needed with a key if the message is a published card, which belongs to every user."""

    user: Text | None = None


class ClickOptions(InboxActionOptions):
    """The clicked button or link, and the client's own id, which identifies repeats."""

    button: Text | None = None
    link: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    id: Text | None = None


class TapOptions(NoOptions):
    """The tapped part of a push: the id of a button, or of a page of its story."""

    button: _Name | None = None
    page: _Name | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> TapOptions:
        if (self.button is None) == (self.page is None):
            raise ValueError("name one of button and page")
        return self
