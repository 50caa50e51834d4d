"""Instants as text, as the edges write them."""

from connector.instants import write_instant

__all__ = ["write_instant"]
