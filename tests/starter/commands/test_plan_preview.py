"""What `connector plan` looks at before anything changes, on both databases."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from connector.rules.model.campaigns import parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.model.users import User
from connector.rules.publishing.drafting import DraftChange
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import next_instant
from connector.store.engine.database import Database, database_now
from connector.store.reporting import publish_facts
from connector.store.reporting.counts import WaitCounts, count_waits
from connector.store.tables import catalogue, entries, follow_ups, revisions
from connector.store.users.descriptions import save_user
from starter.commands.audience_sizes import format_audience
from starter.operations.change_previews import Preview, preview_changes, view_audience
from tests.support.builders import ORIGINAL, PUSHED, follow_on, push
from tests.support.installation import Installation

W = "default"
F = follow_on("f", PUSHED, delay={"after": "3 hours"})
G = follow_on("g", PUSHED, delay={"after": "1 day"})
EDITED = follow_on("f", PUSHED, delay={"after": "4 hours"})


async def look(installation: Installation, *definitions: dict[str, Any], **options: bool) -> Preview:
    parsed = [parse_definition(definition) for definition in definitions]
    async with installation.database.read(W) as tx:
        return await preview_changes(tx, parsed, **options)


async def apply(installation: Installation, *definitions: dict[str, Any]) -> list[DraftChange]:
    parsed = [parse_definition(definition) for definition in definitions]
    async with installation.database.write(W, lock="exclusive") as tx:
        return await save_drafts(tx, parsed, await next_instant(tx))


async def rows(database: Database) -> list[Any]:
    async with database.read(W) as tx:
        counts = [(await tx.execute(select(func.count()).select_from(t))).scalar() for t in (entries, revisions)]
        return [*counts, (await tx.execute(select(catalogue.c.version))).scalar()]


async def test_it_tells_what_apply_does(installation: Installation) -> None:
    """P10: the same decisions, told before and taken then; nothing is written before."""
    await installation.publish(ORIGINAL, F)
    given = ({"workspace": W, "zone": "Europe/Berlin"}, ORIGINAL, EDITED, G)
    before = await rows(installation.database)
    seen = await look(installation, *given)
    assert await rows(installation.database) == before
    saved = await apply(installation, *given)
    assert [(one.id, one.revision, one.change) for one in seen.definitions] == [
        (one.id, one.revision, one.change) for one in saved
    ]
    assert [one.change for one in saved] == ["edited", "unchanged", "edited", "new"]


async def test_an_empty_store(installation: Installation) -> None:
    """P3, P5: everything is new, and follow-ons come first."""
    seen = await look(installation, ORIGINAL, G, F)
    assert (seen.order[-1], sorted(seen.order)) == ("o", ["f", "g", "o"])
    assert (seen.refusals, seen.waits) == ([], [])
    assert [said for said in seen.warnings if "no user is in its audience now" not in said] == []
    assert {one.change for one in seen.definitions} == {"new"}


async def test_the_rest_of_the_store_is_told(installation: Installation) -> None:
    """P9: what the paths do not name is left as it is, whatever its state."""
    await installation.publish(ORIGINAL, F, G)
    await installation.order("stop", "g")
    seen = await look(installation, EDITED)
    assert [(entry.id, entry.state) for entry in seen.other_entries] == [("g", "stopped"), ("o", "active")]
    assert seen.order == ("f",)


async def test_a_draft_of_the_store_that_would_miss_the_launch(installation: Installation) -> None:
    """P3: refused although the paths do not name it; allowed, it is warned of."""
    await apply(installation, F)
    seen = await look(installation, ORIGINAL)
    assert "publishing o now would make the draft follow-on f miss its receive_push" in seen.refusals[0]
    allowed = await look(installation, ORIGINAL, allow_missed=True)
    assert allowed.refusals == []
    assert "the draft follow-on f listens to o" in allowed.warnings[0]


async def test_what_has_been_missed_is_counted(installation: Installation) -> None:
    """P4: the number of launch-time interactions that have gone by."""
    await installation.publish(ORIGINAL)
    await installation.ingest(push("a", 1, "anna"), push("b", 2, "ben"))
    seen = await look(installation, F)
    assert seen.warnings == [
        "f: delivery.trigger[0]: o is active already: what has happened does not start f; "
        "2 receive_push have been missed",
        "f: audience: 0 of the 2 users in its audience can be reached now: push 0",
    ]


async def test_every_refusal_at_once(installation: Installation) -> None:
    """P3, P6, P7: the targets, the circle and the lints of all, with the warnings (P8) beside them."""
    circle = follow_on("a", {"interaction": "receive_push", "campaign": "a"}, eligible_again="always")
    lost = follow_on("b", {"interaction": "open_email", "campaign": "nobody"}, exceptions=[{"event": "e"}])
    machine = [{"interaction": "open_email", "campaign": "o"}]
    warned = follow_on("c", {"event": "e"}, delay={"after": "1 hour"}, exceptions=machine)
    seen = await look(installation, circle, lost, warned, ORIGINAL)
    told = ("names the campaign nobody, which does not exist", "can never happen", "a → a is a cycle")
    assert [said for said, words in zip(seen.refusals, told, strict=True) if words not in said] == []
    assert len([said for said in seen.warnings if "programs open every mail" in said]) == 1
    assert sorted(seen.order) == ["a", "b", "c", "o"]


async def test_who_stays_on_which_revision(installation: Installation) -> None:
    """P10: counted by the revision that they began with, users once, and only of what would be published."""
    await installation.publish(ORIGINAL, {**F, "delivery": {**F["delivery"], "key": "properties.sku"}}, G)
    await installation.ingest(
        push("a", 1, "anna", sku="A"), push("b", 2, "anna", sku="B"), push("c", 3, "ben", sku="A")
    )
    await apply(installation, EDITED)
    await installation.order("publish", "f")
    await installation.ingest(push("d", 180, "carl"))  # later than it arrives, so that it is taken as of now (M7)
    async with installation.database.write(W) as tx:
        await tx.execute(update(follow_ups).where(follow_ups.c.trigger_id == "b").values(state="held"))
        await tx.execute(update(follow_ups).where(follow_ups.c.trigger_id == "c").values(state="sending"))
    seen = await look(installation, F, G)
    assert seen.waits == [WaitCounts("f", 1, 1, 1, 1), WaitCounts("f", 2, 1, 1, 0)]
    assert seen.order == ("f",)


async def test_a_draft_saved_before_is_still_to_be_published(installation: Installation) -> None:
    """P5: planning again after `apply` tells the same order, and after `publish` nothing."""
    await apply(installation, ORIGINAL, F)
    again = await look(installation, ORIGINAL, F)
    assert ({one.change for one in again.definitions}, again.order) == ({"unchanged"}, ("f", "o"))
    await installation.order("publish", "f", "o")
    assert (await look(installation, ORIGINAL, F)).order == ()


async def test_what_apply_would_refuse(installation: Installation) -> None:
    """P9: an archived one cannot be edited; it is refused with the words of `apply`."""
    await installation.publish(ORIGINAL)
    await installation.order("archive", "o")
    with pytest.raises(OrderRefused) as told:
        await look(installation, ORIGINAL)
    with pytest.raises(OrderRefused) as refused:
        await apply(installation, ORIGINAL)
    assert told.value.problems == refused.value.problems


async def test_statements_do_not_grow(installation: Installation) -> None:
    """Design 7: as many statements for fifty definitions as for two."""
    await installation.publish(ORIGINAL)
    counts = []
    for many in (1, 49):
        names = [f"f{number}" for number in range(many)]
        with installation.database.count_statements() as counted:
            await look(installation, ORIGINAL, *(follow_on(name, PUSHED) for name in names))
        counts.append(len(counted.statements))
    assert counts[0] == counts[1]


async def test_who_is_in_an_audience_now(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each campaign's audience and reach by channel, published or not; a sample is said to be one."""
    people = [
        User(id="a", push_tokens=("p",), email="a@b.example", attributes={"tier": "gold"}),
        User(id="b", push_tokens=("p",), attributes={"tier": "gold"}, consent={"push": "unsubscribed"}),
        User(id="c", attributes={"tier": "silver"}),
    ]
    async with installation.database.write(W) as tx:
        for person in people:
            await save_user(tx, person, await database_now(tx))
    await installation.publish(ORIGINAL, F)
    both = {"push": {"title": "t", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    gold = follow_on("gold", PUSHED, audience={"attribute": "tier", "is": "gold"}, messages=both)
    seen = await look(installation, ORIGINAL, F, gold)
    assert [(one.campaign, one.in_audience, one.reachable, one.by_channel) for one in seen.audiences] == [
        ("f", 3, 1, {"push": 1}),
        ("gold", 2, 1, {"push": 1, "email": 1}),
    ]
    [line, _] = [format_audience(view_audience(one)) for one in seen.audiences]
    assert line == "f: of 3 users, 3 are in the audience now, and 1 can be reached (push 1)"
    monkeypatch.setattr(publish_facts, "SAMPLE_USERS", 2)
    sampled = view_audience((await look(installation, F)).audiences[0])
    assert (sampled["looked_at"], sampled["users"], sampled["is_sample"]) == (2, 3, True)
    assert format_audience(sampled).startswith("f: of a sample of 2 of 3 users, 2 are in the audience now")


async def test_waits_of_nobody(installation: Installation) -> None:
    """P10: no campaigns, no waits."""
    async with installation.database.read(W) as tx:
        assert await count_waits(tx, []) == await count_waits(tx, ["unknown"]) == []
