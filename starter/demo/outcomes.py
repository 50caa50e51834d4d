"""What is to come of each user in the demo, and the table that holds it against what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

Outcome = tuple[str, str | None]
NOTHING: Outcome = ("nothing", None)


@dataclass(frozen=True)
class ExpectedOutcome:
    """One user and one follow-on: what the user did, and the state and reason that must come of it.

    The state `nothing` means that no follow-up began and none was refused.
    """

    user: str
    campaign: str
    deed: str
    state: str
    reason: str | None = None

    @property
    def expected(self) -> Outcome:
        """The state and the reason."""
        return (self.state, self.reason)


def compare(fates: Mapping[ExpectedOutcome, Outcome]) -> tuple[Table, bool]:
    """The summary, and whether everything came as it must."""
    table = Table(
        title="What came of them", title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for heading in ("user", "what they did", "follow-on", "came to", ""):
        table.add_column(heading, no_wrap=heading in ("user", "follow-on"))
    for fate, outcome in fates.items():
        right = outcome == fate.expected
        verdict = "[green]✓[/]" if right else f"[red]✗ must be {_words(fate.expected)}[/]"
        table.add_row(fate.user, fate.deed, fate.campaign, _words(outcome), verdict)
    return table, all(outcome == fate.expected for fate, outcome in fates.items())


def _words(outcome: Outcome) -> str:
    state, reason = outcome
    return state if reason in (None, "exception") else f"{state}: {reason}"
