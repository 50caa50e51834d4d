"""The input and the output of a check of publishing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.errors import Fault
from connector.rules.model.schedules import QuietHours
from connector.rules.publishing.facts import PublishFacts
from connector.rules.sending.due_list import quiet_hours_of
from connector.rules.timing.caps import CAPPED_CHANNELS


@dataclass(frozen=True)
class Publication:
    """A campaign that would be published at `now` (UTC), with the catalogue that contains it."""

    campaign: Campaign
    catalogue: Catalogue
    now: datetime
    facts: PublishFacts

    @property
    def follow_on(self) -> ActionBased | None:
        """The delivery if the campaign is a follow-on."""
        return self.campaign.follow_on

    @property
    def channels(self) -> frozenset[str]:
        """The channels on which it may send."""
        return frozenset(channel for content in self.campaign.contents for channel in content.channels)

    @property
    def quiet_hours(self) -> QuietHours | None:
        """The quiet hours of its messages; None if it has none, or no channel that has quiet hours (W2)."""
        if CAPPED_CHANNELS.isdisjoint(self.channels):
            return None
        return quiet_hours_of(self.follow_on, self.catalogue.workspace)


Check = Callable[[Publication], Iterator[Fault]]
"""One check: yields a fault for each thing that is wrong, with its key and without the campaign's id."""


def run_checks(checks: Iterable[Check], publication: Publication) -> list[Fault]:
    """Return every fault that the checks find, with the campaign's id, in the order of the checks."""
    return [replace(fault, id=publication.campaign.id) for check in checks for fault in check(publication)]
