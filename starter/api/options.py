"""What may be said with a lifecycle order."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
