"""The load of attacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Load = Callable[[int, int], int]
"""Choose one of two sizes of an attack."""


@pytest.fixture
def load(pytestconfig: pytest.Config) -> Load:
    """The size of an attack: the small one shows the principle in CI, the full one (`make attack`) is the real load."""
    return lambda small, full: full if pytestconfig.getoption("load") == "full" else small
