"""Every table has a rule for how long its rows are kept, and the documentation shows it."""

from __future__ import annotations

from collections import Counter

from connector.store.retention import RETENTIONS, retention_table
from connector.store.tables import metadata
from tests.support.repository import ROOT


def test_every_table_has_one_rule() -> None:
    """A new table needs a rule: for how long its rows are kept, and why."""
    ruled = Counter(table.name for one in RETENTIONS for table in one.tables)
    assert ruled == Counter(metadata.tables.keys())


def test_the_documentation_shows_the_rules() -> None:
    """docs/operations.md has the list as it is in the code."""
    assert retention_table() in (ROOT / "docs" / "operations.md").read_text()
