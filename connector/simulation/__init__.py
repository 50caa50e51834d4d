"""Apply the rules to a timeline, with no server and no sending, for `connector simulate` and `backtest` (design 8).

Imports `rules`, `definitions`, `templating` and the pure modules of `ingest`.
"""

from connector.simulation.engine import RETENTION, Simulation
from connector.simulation.spill_store import SpillStore

__all__ = ["RETENTION", "Simulation", "SpillStore"]
