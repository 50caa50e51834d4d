"""A follow-up whose templates the documents show: user, campaign and trigger."""

from __future__ import annotations

from datetime import UTC, datetime

from connector.rules.model.campaigns import Campaign, parse_definition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction, InteractionType, LogEntry
from connector.rules.model.reasons import State
from connector.rules.model.users import User
from connector.templating.templates import RenderMoment, template_variables

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = RenderMoment(AT.replace(hour=13), "America/New_York")
USER = User(
    id="u-17",
    email="ada@shop.example",
    phone="+4930123456",
    time_zone="Europe/Berlin",
    first_name="Ada",
    push_tokens=("secret",),
    attributes={"tier": "gold", "sizes": [38, 39]},
    consent={"sms": "unsubscribed"},
)


def sample_variables() -> dict[str, dict[str, object]]:
    """Return what the templates of the follow-up see."""
    item = Interaction(
        id="e1",
        user="u-17",
        type=InteractionType.CLICK_EMAIL_ALIAS,
        campaign="welcome",
        occurred_at=AT,
        properties={"alias": "cta_main"},
    )
    follow_up = FollowUp(
        id="f1",
        campaign="nudge",
        revision=1,
        window_id=1,
        user_key="k",
        key="",
        trigger=LogEntry(id="e1", seq=1, t=AT, received_at=AT, item=item),
        due_at=AT,
        next_at=AT,
        state=State.WAITING,
        channels=("sms",),
    )
    campaign = parse_definition({"campaign": "nudge", "name": "Second reminder", "delivery": {"type": "external"}})
    assert isinstance(campaign, Campaign)
    return dict(template_variables(follow_up, USER, campaign))
