"""Fixtures of the command line's tests; `connector` runs it both ways (tests/starter/conftest.py)."""

from __future__ import annotations

import pytest


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> str:
    """The caller to whom idempotency keys of `connector` belong."""
    return "command line" if request.node.callspec.params["connector"] == "store" else "env-1"
