"""Whether messages render: tried once for all users for whom their templates look up the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.rules.model.messages import Messages
from connector.rules.model.values import canonical_json
from connector.templating.templates import MessageAborted, RenderingFailed, render, variable_paths

Paths = frozenset[tuple[str | int, ...]]
_MOST = 10_000
"""How many answers are remembered."""


class Rendering:
    """Tries messages out. A template may ask that none be sent, or fail on a user's data."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, str], tuple[Messages, Paths | None]] = {}
        self._known: dict[tuple[int, str, str], bool] = {}

    def succeeds(self, content: Messages, channel: str, variables: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether the channel's message renders with these variables."""
        paths = self._paths_of(content, channel)
        given = variables()
        if paths is None:
            return _renders(content, channel, given)
        asked = (id(content), channel, canonical_json([_value(given, path) for path in sorted(paths, key=str)]))
        if asked not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[asked] = _renders(content, channel, given)
        return self._known[asked]

    def _paths_of(self, content: Messages, channel: str) -> Paths | None:
        """Kept with the content itself, so that no other gets its identity."""
        kept = self._paths.get((id(content), channel))
        if kept is None:
            kept = self._paths[id(content), channel] = content, variable_paths(content, channel)
        return kept[1]


def _renders(content: Messages, channel: str, variables: Mapping[str, Any]) -> bool:
    try:
        render(content, channel, variables)
    except (MessageAborted, RenderingFailed):
        return False
    return True


def _value(variables: Any, path: tuple[str | int, ...]) -> Any:
    """What stands at the path, or at the last part of it that is there: `size`, `first` and the like are of that."""
    for part in path:
        inner = variables.get(part) if isinstance(variables, Mapping) else None
        if inner is None:
            return variables if not isinstance(variables, Mapping) or part in ("size", "first", "last") else None
        variables = inner
    return variables
