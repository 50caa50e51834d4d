"""What a preview is asked for: the definition, the revision, the content and the profile that a caller chooses.

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
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.catalogue.supposing import suppose_live
from connector.rules.model.campaigns import AnyDefinition, Campaign
from connector.rules.model.errors import DefinitionError
from connector.rules.model.messages import Messages
from connector.rules.model.nearest import nearest
from connector.rules.model.users import User
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.orders import suggest_id
from connector.rules.targeting.assignment import Assignment, content_for
from starter.operations.errors import NotAllowedNow, NotKnown


class CampaignUnknown(NotKnown):
    """No campaign or card has that id."""


class NothingToPreview(NotAllowedNow):
    """The campaign sends nothing itself, or has no such channel, variant or live revision."""


@dataclass(frozen=True)
class Choice:
    """What is previewed, as a caller asks for it.

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


def suppose_chosen(
    saved: Catalogue, definitions: Sequence[AnyDefinition], choice: Choice, now: datetime
) -> tuple[Catalogue, Revision]:
    """Return the catalogue in which the campaign is live, and the previewed revision."""
    catalogue = draft(saved, definitions).catalogue if definitions else saved
    entry = catalogue.entries.get(choice.campaign)
    if definitions and choice.campaign not in {getattr(one, "id", None) for one in definitions}:
        raise CampaignUnknown(f"the definition is not about {choice.campaign}")
    if entry is None:
        raise CampaignUnknown(f"{choice.campaign} is not known; {suggest_id(catalogue, choice.campaign)}")
    revision = _revision_of(entry, choice)
    if not isinstance(revision.definition, Campaign) or revision.definition.delivery.type == "external":
        raise NothingToPreview(f"{choice.campaign} sends no message itself: it is a card, or another system sends it")
    return suppose_live(catalogue, choice.campaign, revision, now), revision


def _revision_of(entry: Entry, choice: Choice) -> Revision:
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


def choose_content(campaign: Campaign, assignment: Assignment, user_id: str, choice: Choice) -> Messages:
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
