"""Counts what a test loads of users' logs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connector.store.users import log


@contextmanager
def loaded_entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the ids of the log's entries that are loaded until the block ends."""
    loaded: list[str] = []
    from_row = log.entry_from_row
    with monkeypatch.context() as patch:
        patch.setattr(log, "entry_from_row", lambda row: loaded.append(row["id"]) or from_row(row))
        yield loaded
