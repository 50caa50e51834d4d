"""An action on many follow-ups as a page runs it: page by page, with the numbers so far after each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from connector.app.context import AppContext
from connector.rules.model.audit import Actor
from starter.operations.bulk import BulkPage, act_on_page
from starter.operations.bulk_actions import BulkAction

WhoActs = Callable[[], Awaitable[Actor]]
"""Checks the key and its scopes, and returns the actor; raises ApiError. It is asked before every page."""


@dataclass
class BulkNumbers:
    """How many follow-ups an action changed, left alone and could not change, with an example of every refusal.

    `refused` and `examples` are by the rule's reason, else by the sentence.
    """

    done: int = 0
    unchanged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many follow-ups were evaluated."""
        return self.done + self.unchanged + sum(self.refused.values())

    def add(self, page: BulkPage) -> None:
        """Count the follow-ups of one page."""
        for item in page.items:
            if item.outcome == "done":
                self.done += 1
            elif item.outcome == "unchanged":
                self.unchanged += 1
            else:
                why = item.reason.value if item.reason is not None else item.why or ""
                self.refused[why] = self.refused.get(why, 0) + 1
                self.examples.setdefault(why, item.id)
                self.texts.setdefault(why, item.why or why)

    def by_number(self) -> list[tuple[str, int]]:
        """Return the refusals, the most frequent first."""
        return sorted(self.refused.items(), key=lambda one: (-one[1], one[0]))


async def run_bulk(
    context: AppContext, who_acts: WhoActs, action: BulkAction, *, dry_run: bool
) -> AsyncIterator[BulkNumbers]:
    """Carry out an action on all that it concerns, and yield the numbers after every page. Raises as `act_on_page`.

    Whoever stops iterating stops the action after the page that it is at; the same action continues it later.
    """
    numbers, after = BulkNumbers(), None
    while True:
        page = await act_on_page(context, await who_acts(), action, after=after, dry_run=dry_run)
        numbers.add(page)
        yield numbers
        after = page.next
        if after is None:
            return
