"""The rules over a timeline, with no server and no sending: what `connector simulate` and `backtest` run (design 8)."""

from connector.simulation.engine import RETENTION, Simulation
from connector.simulation.spill_store import SpillStore

__all__ = ["RETENTION", "Simulation", "SpillStore"]
