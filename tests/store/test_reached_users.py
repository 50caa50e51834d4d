"""The rows of reached users, which triggers keep, equal a new count of the log, follow-ups and assignments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random  # noqa: TID251 - the seed names what is written; no rule draws anything
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, insert, select, text, update

from connector.rules.model.interactions import InteractionType
from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.days import offsets_of
from connector.store.engine.bulk import insert_rows
from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from connector.store.engine.transaction import Transaction
from connector.store.erasure import erase_user
from connector.store.follow_ups.receipts import insert_assignments
from connector.store.reporting.results import count_results
from connector.store.tables import assignments, follow_ups, interactions, reached_users
from connector.store.users.users import find_user_keys
from tests.parity.results_counted import count_by_user
from tests.support.builders import ORIGINAL, at
from tests.support.databases import open_database_at
from tests.support.installation import Installation
from tests.support.old_rows import ended, logged

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
USERS = [f"u{number}" for number in range(150)]
TOPICS = [*InteractionType, "visit"]
CAMPAIGNS = ("o", "p")


class _Writer:
    """Writes what ingest, sends and launches write, at random, of some campaigns and users."""

    def __init__(self, tx: Transaction, random: Random) -> None:
        self._tx, self._random = tx, random

    async def write(self) -> None:
        """Write a batch of one kind."""
        await self._random.choice((self._log, self._log, self._follow_up, self._assign))()

    async def _log(self) -> None:
        rows = [self._logged() for _ in range(self._random.randint(1, 12))]
        statement = insert_rows(self._tx, interactions, rows, shared={"workspace": W}, known_by=["user_key", "id"])
        for _ in range(self._random.choice((1, 1, 2))):  # twice: nothing is new
            await self._tx.execute(statement.on_conflict_do_nothing())

    def _logged(self) -> dict[str, Any]:
        pick = self._random.choice
        properties = {
            "opens": pick(("human", "machine", 1)),
            "robot": pick((True, False, "true", None)),
            "conversion": pick(("A", "B", "C", "D", None)),
        }
        some = {name: value for name, value in properties.items() if pick((True, False))}
        of = {"user_key": pick(USERS), "topic": str(pick(TOPICS)), "target": pick((*CAMPAIGNS, None))}
        return logged(NOW, self._random.uniform(0, 5), properties=some, **of)

    async def _follow_up(self) -> None:
        """A follow-up begins, and ends later, or at once."""
        pick = self._random.choice
        before, after = pick(("waiting", "control", "sent")), pick(("sent", "control", "dropped", "failed"))
        row = ended(NOW, self._random.uniform(0, 5), campaign=pick(CAMPAIGNS), user_key=pick(USERS), reason=None)
        row |= {"state": before, "key": row["id"]}
        await self._tx.execute(insert(follow_ups).values(row | {"workspace": W}))
        if before == "waiting":
            await self._tx.execute(update(follow_ups).where(follow_ups.c.id == row["id"]).values(state=after))

    async def _assign(self) -> None:
        control, users = self._random.random() < 0.3, self._random.sample(USERS, 9)
        campaign = self._random.choice(CAMPAIGNS)
        known = await self._tx.execute(select(assignments.c.user_key).where(assignments.c.campaign == campaign))
        new = sorted(set(users) - set(known.scalars()))
        variant = Assignment(control, None if control else self._random.choice((None, "a", "b")))
        await insert_assignments(self._tx, [KeepAssignment(campaign, user, variant) for user in new])


async def find_wrong_results(tx: Transaction) -> list[Any]:
    """Return the differences of results from a count user by user; none if they are exact."""
    wrong: list[Any] = []
    for campaign in CAMPAIGNS:
        for robots in ("ignore", "count"):
            for since, until in ((None, None), (NOW - timedelta(days=4), NOW - timedelta(days=2))):
                for by_day in (False, True):
                    offsets = offsets_of("UTC", NOW, NOW) if by_day else ()
                    found = await count_results(tx, campaign, robots, since=since, until=until, by_day=offsets)
                    expected = await count_by_user(tx, campaign, robots, since, until, by_day=by_day)
                    wrong += [] if found == expected else [(campaign, robots, since, by_day, found, expected)]
    return wrong


async def test_results_are_what_counting_user_by_user_gives(empty_database_url: str) -> None:
    """C1, M2, T4: whatever was there before the migration, and whatever is written after it, in any order."""
    random = Random(20261129)
    async with open_database_at("0022", empty_database_url) as database:
        async with database.write(W) as tx:
            for _ in range(60):
                await _Writer(tx, random).write()
        await migrate(database)
        for _ in range(2):
            async with database.write(W) as tx:
                assert await find_wrong_results(tx) == []
                for _ in range(60):
                    await _Writer(tx, random).write()
        async with database.read(W) as tx:
            assert await find_wrong_results(tx) == []
            assert len(await count_results(tx, "o", "ignore", by_day=offsets_of("UTC", NOW, NOW))) > 10
            assert (await tx.execute(select(func.count()).select_from(reached_users))).scalar_one() <= 2 * len(USERS)


async def test_what_an_erased_user_did_is_forgotten(installation: Installation) -> None:
    """Guarantee 8: counts stay for what was sent; opens and clicks go with the log; another user's stay."""
    await installation.publish({**ORIGINAL, "campaign": "o"}, {**ORIGINAL, "campaign": "p"})
    kinds = ("receive_email", "open_email", "click_email")
    items = [
        {"id": f"{user}{kind}", "user": user, "type": kind, "campaign": "o", "occurred_at": at(0)}
        for user in ("ada", "ben")
        for kind in kinds
    ]
    await installation.ingest(*items)
    async with installation.database.write(W, lock="exclusive") as tx:
        ada = (await find_user_keys(tx, ["ada"]))[0]["ada"]
        sent = ended(NOW, 1, campaign="p", user_key=ada, state="sent", reason=None)
        await tx.execute(insert(follow_ups).values(sent | {"workspace": W}))
        assert await erase_user(tx, "ada", NOW) == ada
        assert await find_wrong_results(tx) == []
        rows = (await tx.execute(select(reached_users.c.campaign, reached_users.c.steps, reached_users.c.at))).all()
    assert sorted((row.campaign, row.steps) for row in rows) == [("o", 0), ("o", 2 + 4 + 16), ("p", 2)]


async def test_results_stay_when_the_log_has_gone(installation: Installation) -> None:
    """The users of a campaign, and what they did, count as long as the campaign is not archived."""
    await installation.publish(ORIGINAL)
    did = {"user": "u", "campaign": "o", "occurred_at": at(0)}
    await installation.ingest(*({"id": kind, "type": kind, **did} for kind in ("receive_email", "click_email")))
    async with installation.database.write(W) as tx:
        before = await count_results(tx, "o", "ignore")
        await tx.execute(delete(interactions))
        assert [(one.sent, one.clicked) for one in before] == [(1, 1)]
        assert await count_results(tx, "o", "ignore") == before


async def test_writers_need_no_rights_on_it(postgresql_database: Database) -> None:
    """An earlier program, whose user has rights on its own tables only, goes on writing during an upgrade."""
    role = f"writer_{uuid4().hex}"
    async with postgresql_database.write(W) as tx:
        await tx.execute(text(f"CREATE ROLE {role}"))
        await tx.execute(text(f"GRANT SELECT, INSERT, UPDATE ON follow_ups, interactions, assignments TO {role}"))
        await tx.execute(text(f"SET LOCAL ROLE {role}"))
        random = Random(1)
        for _ in range(20):
            await _Writer(tx, random).write()
        await tx.execute(text("RESET ROLE"))
        await tx.execute(text(f"DROP OWNED BY {role}"))
        await tx.execute(text(f"DROP ROLE {role}"))
        assert await find_wrong_results(tx) == []
