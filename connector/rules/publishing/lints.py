"""The checks of a definition at publication: what refuses it (P3, P7), and what is worth a warning (P8)."""

from __future__ import annotations

from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign, Publishable
from connector.rules.model.errors import Fault
from connector.rules.publishing.checks import Publication, run_checks
from connector.rules.publishing.facts import NO_FACTS, PublishFacts
from connector.rules.publishing.refusals import REFUSALS
from connector.rules.publishing.warnings import WARNINGS


def refusals(
    definition: Publishable, catalogue: Catalogue, now: datetime, facts: PublishFacts = NO_FACTS
) -> list[Fault]:
    """Return every reason why the definition may not be published at `now` (UTC), each with what to do (P3, P7)."""
    if not isinstance(definition, Campaign):
        return []
    return run_checks(REFUSALS, Publication(definition, catalogue, now, facts))


def warnings(
    definition: Publishable, catalogue: Catalogue, now: datetime, facts: PublishFacts = NO_FACTS
) -> list[Fault]:
    """Return every surprise of a publication at `now` (UTC), each with what to do (P8)."""
    if not isinstance(definition, Campaign):
        return []
    return run_checks(WARNINGS, Publication(definition, catalogue, now, facts))
