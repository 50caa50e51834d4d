"""Fixtures for the console's tests: one Chromium for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.browser import find_chromium
from tests.support.console import running_browser


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The machine's Chromium."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine: install the package `chromium`")
    async with running_browser() as opened:
        yield opened


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests in Chromium apart: beside all others a page takes so long that it loses its connection."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.paired)
