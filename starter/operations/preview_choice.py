"""The parameters of a preview: the campaign, the user, the variant, and an edited definition or profile.

ConnectorError
├── CampaignUnknown   no campaign or card has that id
└── NothingToPreview  the campaign sends nothing, or not on that channel, or not in that variant or revision
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from connector.definitions import parse_mapping, parse_yaml
from connector.definitions.faults import describe_faults
from connector.ingest.parsing import parse_item, with_time
from connector.rules.catalogue.catalogue import Entry, Revision
from connector.rules.explaining.samples import newest_match, sample_item
from connector.rules.model.campaigns import AnyDefinition, Campaign
from connector.rules.model.errors import DefinitionError, Fault, InvalidItem
from connector.rules.model.interactions import Item
from connector.rules.model.messages import Messages
from connector.rules.model.nearest import nearest
from connector.rules.model.users import User
from connector.rules.targeting.assignment import Assignment, content_for
from connector.store.reporting.history import UserRecord
from starter.operations.errors import NotAllowedNow, NotKnown


class CampaignUnknown(NotKnown):
    """No campaign or card has that id."""


class NothingToPreview(NotAllowedNow):
    """The campaign sends nothing itself, or has no such channel, variant or live revision."""


@dataclass(frozen=True)
class Choice:
    """The parameters of a preview, as a caller gives them.

    Args:
        definition: an edited definition, as YAML (with others that it needs) or as JSON; None: the saved one.
        user: an id that services use; None: a user who is invented from `profile` alone.
        profile: fields of a profile, which replace those of the user.
        trigger: the item that triggers, in wire form; None: the user's newest one that fits, else an invented one.
        live: preview the live revision, not the newest saved one.
        revision: preview this revision, the newest saved one or one that was ever published.
    """

    campaign: str
    definition: str | Mapping[str, Any] | None = None
    user: str | None = None
    profile: Mapping[str, Any] | None = None
    channel: str | None = None
    variant: str | None = None
    trigger: Mapping[str, Any] | None = None
    live: bool = False
    revision: int | None = None

    def as_body(self) -> dict[str, Any]:
        """Return what a request asks for beside its path: what differs from the defaults."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "campaign"}
        return {name: value for name, value in given.items() if value not in (None, False)}


def read_definition(choice: Choice, *, with_links: bool) -> Sequence[AnyDefinition]:
    """Return the edited definitions; none if the saved one is previewed. Raises DefinitionError."""
    if choice.definition is None:
        return ()
    if isinstance(choice.definition, str):
        return parse_yaml(choice.definition, file="the definition", with_links=with_links).all
    given = choice.definition
    return (parse_mapping(given if "campaign" in given else {"campaign": choice.campaign, **given}),)


def with_profile(user: User, profile: Mapping[str, Any] | None) -> User:
    """Return the user with fields of a profile in the place of theirs. Raises DefinitionError."""
    if not profile:
        return user
    known, given = user.model_dump(mode="json"), {"id": user.id, **profile}
    for merged in ("attributes", "consent"):
        if isinstance(given.get(merged), dict):
            given[merged] = {**known[merged], **given[merged]}
    try:
        return User.model_validate({**known, **given})
    except ValidationError as error:
        faults = describe_faults(error, User, given)
        raise DefinitionError([replace(fault, key=f"profile.{fault.key}") for fault in faults]) from None


def revision_of(entry: Entry, choice: Choice) -> Revision:
    """Return the revision that is asked for. Raises NothingToPreview."""
    if choice.revision is not None:
        found = next((one for one in entry.revisions if one.number == choice.revision), None)
        if found is None:
            published = ", ".join(str(one.number) for one in entry.published[-10:]) or "none"
            raise NothingToPreview(
                f"{choice.campaign} has no revision {choice.revision} that was published; published were {published}"
            )
        return found
    revision = entry.live if choice.live else entry.newest
    if revision is None:
        raise NothingToPreview(f"{choice.campaign} is not live; leave out live to preview the newest saved revision")
    return revision


def content_of(campaign: Campaign, assignment: Assignment, user_id: str, choice: Choice) -> Messages:
    """Return the content of the asked variant, else of the user's. Raises NothingToPreview."""
    variants = {one.name: one.messages for one in campaign.variants or ()}
    if choice.variant is not None and choice.variant not in variants:
        near = nearest(choice.variant, variants)
        known = f"did you mean {near}?" if near else f"it has {', '.join(variants) or 'no variants'}"
        raise NothingToPreview(f"{choice.campaign} has no variant {choice.variant!r}; {known}")
    content = variants[choice.variant] if choice.variant else content_for(campaign, assignment, user_id)
    channels = content.channels if content else ()
    if choice.channel is not None and choice.channel not in channels:
        raise NothingToPreview(
            f"{choice.campaign} has no message for {choice.channel}; it sends on {', '.join(channels) or 'no channel'}"
        )
    assert content is not None  # noqa: S101 - a campaign that sends has contents
    return content


def trigger_of(choice: Choice, campaign: Campaign, user: User, record: UserRecord, now: datetime) -> tuple[Item, bool]:
    """Return the item that triggers now, and whether it was invented. Raises DefinitionError."""
    if choice.trigger is not None:
        try:
            return parse_item(with_time({**choice.trigger, "user": user.id}, now)), False
        except InvalidItem as fault:
            raise DefinitionError([Fault("trigger", str(fault))]) from None
    follow_on = campaign.follow_on
    assert follow_on is not None  # noqa: S101 - only follow-ons have a trigger
    found = newest_match(follow_on, record.items.values())
    return (found, False) if found is not None else (sample_item(follow_on.trigger[0], user.id, now), True)
