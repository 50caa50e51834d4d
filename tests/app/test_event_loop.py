"""The event loop of the worker and the API."""

import asyncio
import sys

import pytest

from connector.app.event_loop import run_service

uvloop = pytest.importorskip("uvloop")


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_service_runs_on_uvloop() -> None:
    """Where uvloop is installed, a service uses it."""
    assert isinstance(run_service(_running_loop()), uvloop.Loop)


def test_service_runs_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not, the service runs on the standard library's loop."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert not isinstance(run_service(_running_loop()), uvloop.Loop)
