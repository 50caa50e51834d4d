"""What templates see of a user, a campaign and a trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.model.users import User


def template_variables(follow_up: FollowUp, user: User, campaign: Campaign) -> Mapping[str, Any]:
    """The user as known now, the campaign, and what triggered it, by the names of `VARIABLES`."""
    item = follow_up.trigger.item
    interaction = item if isinstance(item, Interaction) else None
    return {
        "user": {**user.attributes, **user.model_dump(mode="json", exclude={"push_tokens"})},
        "campaign": {"id": campaign.id, "name": campaign.name or campaign.id},
        "trigger": {
            "id": follow_up.trigger.id,
            "type": item.name_or_type,
            "campaign": interaction.campaign if interaction else None,
            "card": interaction.card if interaction else None,
            "occurred_at": follow_up.trigger.t.isoformat(),
            "properties": item.properties,
        },
        "event": {**item.properties, "name": item.name_or_type, "properties": item.properties},
    }
