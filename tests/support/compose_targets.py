"""A catalogue without campaigns, for forms of the composer that are built without a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starter.console.compose.conditions import Targets


async def _search_nothing(words: str) -> Sequence[dict[str, Any]]:
    return []


async def _read_nothing(id: str) -> dict[str, Any] | None:
    return None


NO_TARGETS = Targets(_search_nothing, _read_nothing)
