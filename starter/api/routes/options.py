"""What may be said with a lifecycle order, and with an act in an inbox."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.rules.model.values import Text

_Name = Annotated[Text, Field(max_length=64)]


class NoOptions(BaseModel):
    """Nothing may be said."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PublishOptions(NoOptions):
    """How to publish.

    `with_follow_ons` publishes the draft follow-ons that listen to it as well (P5); `allow_missed` publishes even
    where a draft follow-on will have missed the launch (P3).
    """

    with_follow_ons: bool = False
    allow_missed: bool = False


class ActOptions(NoOptions):
    """Who did it: needed with a key where the message is a published card, which is everybody's."""

    user: Text | None = None


class ClickOptions(ActOptions):
    """What was clicked, by the button's id or the link, and the client's own id, by which a repeat is recognised."""

    button: Text | None = None
    link: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    id: Text | None = None


class TapOptions(NoOptions):
    """What of a push was tapped: the id of one of its buttons, or of a page of its story."""

    button: _Name | None = None
    page: _Name | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> TapOptions:
        if (self.button is None) == (self.page is None):
            raise ValueError("name one of button and page")
        return self
