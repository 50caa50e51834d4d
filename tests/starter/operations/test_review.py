"""What deciding about a campaign needs: its draft as a diff, the plan of its publication, and who waits."""

import pytest

from connector.app.context import AppContext
from connector.rules.model.campaigns import parse_definition
from starter.operations.drafts import save_definitions
from starter.operations.errors import NotKnown
from starter.operations.review import review_campaign
from tests.support.actors import OPERATOR
from tests.support.builders import PUSHED, external, follow_on, original, push
from tests.support.installation import Installation

LATER = follow_on("later", PUSHED, delay={"after": "1 day"})


async def test_a_draft_whose_follow_ons_would_miss_it(context: AppContext) -> None:
    """P3, P5: alone the launch is refused, together both take effect, the follow-on first."""
    launch = original()
    await save_definitions(context, OPERATOR, [parse_definition(one) for one in (launch, LATER)])
    found = await review_campaign(context, "o")
    assert (found["state"], found["draft"]["revision"], found["open"], found["resume"]) == ("draft", 1, [], None)
    assert {one["change"] for one in found["draft"]["differences"]} == {"added"}
    publish = found["publish"]
    assert publish["together"]["order"] == ["later", "o"]
    assert publish["together"]["refusals"] == []
    assert any("would make" in text or "miss" in text for text in publish["alone"]["refusals"])


async def test_what_is_live_beside_an_edited_draft(context: AppContext) -> None:
    """P9, P10: only the edited key differs, and the follow-ups that a stop would end are counted by revision."""
    installation = Installation(context.database)
    await installation.publish(external(), LATER)
    await installation.ingest(push("e1", 0, "ann"), push("e2", 1, "ben"))
    unchanged = await review_campaign(context, "later")
    assert (unchanged["draft"], unchanged["publish"]) == (None, None)
    edited = {**LATER, "delivery": {**LATER["delivery"], "delay": {"after": "2 days"}}}
    await save_definitions(context, OPERATOR, [parse_definition(edited)])
    found = await review_campaign(context, "later")
    assert [(one["path"], one["before"], one["after"]) for one in found["draft"]["differences"]] == [
        ("delivery.delay.after", "1 day", "2 days")
    ]
    assert [(one["revision"], one["users"], one["waiting"]) for one in found["open"]] == [(1, 2, 2)]
    assert found["publish"]["together"] is None
    assert found["publish"]["alone"]["order"] == ["later"]


async def test_stopped_archived_and_unknown(context: AppContext) -> None:
    """P9: of a stopped one what resuming would do; of an archived one nothing; an unknown id is refused."""
    installation = Installation(context.database)
    await installation.publish(external(), LATER)
    await installation.order("stop", "later")
    assert (await review_campaign(context, "later"))["resume"]["changed"] == ["later"]
    await installation.order("archive", "later")
    archived = await review_campaign(context, "later")
    assert (archived["state"], archived["publish"], archived["resume"]) == ("archived", None, None)
    with pytest.raises(NotKnown, match="nobody is not known"):
        await review_campaign(context, "nobody")
