"""`connector demo`: the three use cases of the field, played on a real server within a minute or so."""

from starter.demo.demo import run_demo

__all__ = ["run_demo"]
