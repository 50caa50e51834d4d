"""The stage: reports what users do over HTTP, shows it, and waits for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.rules.model.instants import write_instant
from starter.demo.outcomes import NOTHING, ExpectedOutcome, Outcome

_POLL_SECONDS = 0.2
_OPEN = frozenset({"waiting", "held", "sending"})
_STYLES = {"sent": "green", "waiting": "cyan", "excepted": "yellow", "dropped": "yellow", "refused": "magenta"}


class DemoSession:
    """Where users act. `api` is a client whose base is the connector's address."""

    def __init__(self, console: Console, api: httpx.AsyncClient) -> None:
        self._console, self._api = console, api
        self._begun = monotonic()
        self._seen: dict[tuple[str, str], str] = {}

    def title(self, title: str, about: str) -> None:
        """Begin something new."""
        self._console.print()
        self._console.rule(f"[bold]{title}[/]", align="left", style="dim")
        self._console.print(f"[dim]{about}[/]")

    def tell(self, text: str) -> None:
        """A line with the seconds since the beginning."""
        self._console.print(f"[dim]{monotonic() - self._begun:5.1f} s[/]  {text}", highlight=False)

    def show(self, table: Table) -> None:
        """A table under an empty line."""
        self._console.print()
        self._console.print(table)

    def show_message(self, message: Mapping[str, Any]) -> None:
        """A message as its user would see it."""
        text = " · ".join(str(message[part]) for part in ("title", "body") if message.get(part))
        self.tell(f"[green]✉  {message['channel']} to {message['user']}:[/] {escape(text)}")

    async def describe(self, user: str, **facts: Any) -> None:
        """Tell the connector who someone is; they can get a push unless told otherwise."""
        described = {"first_name": user.capitalize(), "push_tokens": [f"token-of-{user}"], **facts}
        (await self._api.put(f"/v1/users/{user}", json=described)).raise_for_status()

    async def change(self, user: str, deed: str, **changes: Any) -> None:
        """Change what is known of a user."""
        self.tell(f"[bold]{user}[/] {deed}")
        (await self._api.patch(f"/v1/users/{user}", json=changes)).raise_for_status()

    async def report(
        self, users: Sequence[str], deed: str, item: Mapping[str, Any], *, ago: timedelta = timedelta(0)
    ) -> None:
        """Report that users did something some time ago, in one request. `item` is in wire form, without the user."""
        self.tell(f"[bold]{', '.join(users)}[/] {deed}")
        occurred_at = write_instant(_now() - ago)
        items = [{"user": user, "occurred_at": occurred_at, **item} for user in users]
        answer = (await self._api.post("/v1/interactions", json={"interactions": items})).raise_for_status()
        for result in answer.json()["results"]:
            if result["status"] != "accepted":
                raise RuntimeError(f"an interaction of the demo was not taken: {result}")

    async def settle(
        self, fates: Iterable[ExpectedOutcome], *, until: frozenset[str] | None = None, within: float = 30.0
    ) -> None:
        """Watch these users until each has come to an end, or into one of the states `until`; tell each change."""
        left = {fate for fate in fates if fate.expected != NOTHING}
        deadline = monotonic() + within
        while left and monotonic() < deadline:
            for fate in sorted(left, key=lambda fate: fate.user):
                state, _ = await self._watch(fate)
                if state in until if until else state not in {*_OPEN, NOTHING[0]}:
                    left.discard(fate)
            await asyncio.sleep(_POLL_SECONDS)

    async def outcome(self, fate: ExpectedOutcome) -> Outcome:
        """What has come of this user and this follow-on until now."""
        where = {"user": fate.user, "campaign": fate.campaign}
        for state in ({}, {"state": "refused"}):
            answer = (await self._api.get("/v1/follow-ups", params=where | state)).raise_for_status()
            if found := answer.json()["follow_ups"]:
                return (found[0]["state"], found[0]["reason"])
        return NOTHING

    async def _watch(self, fate: ExpectedOutcome) -> Outcome:
        outcome = state, reason = await self.outcome(fate)
        if self._seen.get((fate.user, fate.campaign)) != state and outcome != NOTHING:
            self._seen[fate.user, fate.campaign] = state
            why = f" ({reason})" if reason not in (None, "exception") else ""
            self.tell(f"   {fate.campaign} for {fate.user}: [{_STYLES.get(state, 'default')}]{state}[/]{why}")
        return outcome


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the reporting service's own clock, as in every report
