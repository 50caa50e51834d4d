"""The session of the demo: reports over HTTP what users do, prints it, and compares outcomes with expected ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.rules.model.values import format_instant

_POLL_SECONDS = 0.2
_OPEN_STATES = frozenset({"waiting", "held", "sending"})
_STYLES = {"sent": "green", "waiting": "cyan", "excepted": "yellow", "dropped": "yellow", "refused": "magenta"}

Outcome = tuple[str, str | None]
"""The state and the reason of a follow-up."""
NO_FOLLOW_UP: Outcome = ("nothing", None)
"""No follow-up was started, and none was refused."""


@dataclass(frozen=True)
class ExpectedOutcome:
    """The state and reason that a user's follow-up must have after the user's action; see `NO_FOLLOW_UP`."""

    user: str
    campaign: str
    action: str
    state: str
    reason: str | None = None

    @property
    def outcome(self) -> Outcome:
        """The state and the reason."""
        return (self.state, self.reason)


class DemoSession:
    """Acts for the users of the demo, and prints what happens.

    Args:
        api: a client whose base is the connector's address.
    """

    def __init__(self, console: Console, api: httpx.AsyncClient) -> None:
        self._console, self._api = console, api
        self._started_at = monotonic()
        self._printed_states: dict[tuple[str, str], str] = {}

    def print_title(self, title: str, about: str) -> None:
        """Print the title of a new section."""
        self._console.print()
        self._console.rule(f"[bold]{title}[/]", align="left", style="dim")
        self._console.print(f"[dim]{about}[/]")

    def print_line(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        line = Table.grid(padding=(0, 2, 0, 0))  # two columns, so that a long text goes on below its beginning
        line.add_row(f"[dim]{monotonic() - self._started_at:5.1f} s[/]", text)
        self._console.print(line, highlight=False)

    def print_table(self, table: Table) -> None:
        """Print a table."""
        self._console.print(table)

    def print_message(self, message: Mapping[str, Any]) -> None:
        """Print a message as its user would see it."""
        text = " · ".join(str(message[part]) for part in ("title", "body") if message.get(part))
        self.print_line(f"[green]✉  {message['channel']} to {message['user']}:[/] {escape(text)}")

    async def create_user(self, user: str) -> None:
        """Create a user who can receive a push."""
        attributes = {"first_name": user.capitalize(), "push_tokens": [f"token-of-{user}"]}
        (await self._api.put(_path_of(user), json=attributes)).raise_for_status()

    async def change_user(self, user: str, action: str, **changes: Any) -> None:
        """Change attributes of a user."""
        self.print_line(f"[bold]{user}[/] {action}")
        (await self._api.patch(_path_of(user), json=changes)).raise_for_status()

    async def report(
        self, users: Sequence[str], action: str, item: Mapping[str, Any], *, ago: timedelta = timedelta(0)
    ) -> None:
        """Report an interaction of users in one request. `item` is in wire form, without the user."""
        self.print_line(f"[bold]{', '.join(users)}[/] {action}")
        occurred_at = format_instant(_now() - ago)
        items = [{"user": user, "occurred_at": occurred_at, **item} for user in users]
        response = (await self._api.post("/v1/interactions", json={"interactions": items})).raise_for_status()
        for result in response.json()["results"]:
            if result["status"] != "accepted":
                raise RuntimeError(f"an interaction of the demo was not accepted: {result}")

    async def wait_for(
        self, expected: Iterable[ExpectedOutcome], *, until: frozenset[str] | None = None, timeout_seconds: float = 30.0
    ) -> None:
        """Print every change until each follow-up has ended, or is in one of the states `until`."""
        pending = {outcome for outcome in expected if outcome.outcome != NO_FOLLOW_UP}
        deadline = monotonic() + timeout_seconds
        while pending and monotonic() < deadline:
            for outcome in sorted(pending, key=lambda outcome: outcome.user):
                state = await self._print_change(outcome)
                if state in until if until else state not in {*_OPEN_STATES, NO_FOLLOW_UP[0]}:
                    pending.discard(outcome)
            await asyncio.sleep(_POLL_SECONDS)

    async def load_outcome(self, expected: ExpectedOutcome) -> Outcome:
        """Return the current outcome of this user and this follow-on."""
        filters = {"user": expected.user, "campaign": expected.campaign}
        for state in ({}, {"state": "refused"}):
            response = (await self._api.get("/v1/follow-ups", params=filters | state)).raise_for_status()
            if follow_ups := response.json()["follow_ups"]:
                return (follow_ups[0]["state"], follow_ups[0]["reason"])
        return NO_FOLLOW_UP

    async def _print_change(self, expected: ExpectedOutcome) -> str:
        outcome = state, reason = await self.load_outcome(expected)
        if self._printed_states.get((expected.user, expected.campaign)) != state and outcome != NO_FOLLOW_UP:
            self._printed_states[expected.user, expected.campaign] = state
            why = f" ({reason})" if reason not in (None, "exception") else ""
            style = _STYLES.get(state, "default")
            self.print_line(f"   {expected.campaign} for {expected.user}: [{style}]{state}[/]{why}")
        return state


def compare_outcomes(outcomes: Mapping[ExpectedOutcome, Outcome]) -> tuple[Table, bool]:
    """Return a table of expected and actual outcomes, and whether all are as expected."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("user", "action", "follow-on", "outcome", ""):
        table.add_column(heading, no_wrap=heading in ("user", "follow-on"))
    for expected, outcome in outcomes.items():
        matches = outcome == expected.outcome
        verdict = "[green]✓[/]" if matches else f"[red]✗ expected {_format_outcome(expected.outcome)}[/]"
        table.add_row(expected.user, expected.action, expected.campaign, _format_outcome(outcome), verdict)
    return table, all(outcome == expected.outcome for expected, outcome in outcomes.items())


def _format_outcome(outcome: Outcome) -> str:
    state, reason = outcome
    return state if reason in (None, "exception") else f"{state}: {reason}"


def _path_of(user: str) -> str:
    return f"/v1/users/{quote(user, safe='')}"


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the reporting service's own clock, as in every report
