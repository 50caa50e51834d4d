"""Play a small story through the engine of `connector simulate`, without its files and command line."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import parse_definition
from connector.simulation import Simulation, SpillStore
from connector.simulation.playing import play_step
from connector.simulation.timeline import parse_step
from tests.support.stories import flattened, short


def play_outcomes(*story: Any, until: datetime | None = None) -> list[dict[str, Any]]:
    """Return the outcomes of definitions and lines (`tests.support.stories`), as `simulate --json` prints them."""
    definitions, lines = flattened(story)
    with SpillStore() as spill:
        simulation = Simulation(Catalogue(), spill, lambda _: None)
        simulation.apply(*map(parse_definition, definitions))
        for number, line in enumerate(lines, start=1):
            step = parse_step(line, number)
            simulation.run_to(step.at)
            play_step(simulation, step)
        simulation.run_to(until)
        simulation.report_waiting()
        return [json.loads(outcome) for outcome in simulation.lines()]


def play_short(*story: Any) -> list[str]:
    """Return the outcomes of a story in short form."""
    return [short(outcome) for outcome in play_outcomes(*story)]
