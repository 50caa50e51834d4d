"""Render messages as sending does, once for all users with equal values in the fields that the templates read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.rules.model.messages import Messages
from connector.rules.model.users import User
from connector.rules.model.values import canonical_json
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.results import SendResult
from connector.templating.templates import (
    MessageAborted,
    RenderingFailed,
    RenderMoment,
    render,
    result_of_failure,
    user_variables,
    variable_paths,
)

Paths = list[tuple[str | int, ...]]
_MAX_REMEMBERED = 10_000
_SENT = SendResult(DeliveryState.SENT)


class Rendering:
    """Remembers the results of rendering. A template may abort its message, or fail on a user's data (W7)."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, str], tuple[Messages, Paths | None]] = {}
        self._rendered: dict[tuple[int, str, str], SendResult] = {}

    def result(
        self,
        content: Messages,
        channel: str,
        user: User,
        variables: Callable[[], Mapping[str, Any]],
        moment: RenderMoment,
    ) -> SendResult:
        """Return sent, or why the channel's message does not render; `user` has the values of the user's variables."""
        paths = self._paths_of(content, channel)
        if paths is None:
            return _result(content, channel, variables(), moment)
        reads_user_only = all(path[0] == "user" for path in paths)
        values = {"user": user_variables(user)} if reads_user_only else variables()
        read = (id(content), channel, canonical_json([_value(values, path) for path in paths]))
        if read not in self._rendered:
            if len(self._rendered) >= _MAX_REMEMBERED:
                self._rendered.clear()
            self._rendered[read] = _result(content, channel, variables(), moment)
        return self._rendered[read]

    def _paths_of(self, content: Messages, channel: str) -> Paths | None:
        """Return the variables that a template reads; kept with the content, so that no other gets its identity."""
        kept = self._paths.get((id(content), channel))
        if kept is None:
            paths = variable_paths(content, channel)
            kept = content, None if paths is None else sorted(paths, key=str)
            self._paths[id(content), channel] = kept
        return kept[1]


def _result(content: Messages, channel: str, variables: Mapping[str, Any], moment: RenderMoment) -> SendResult:
    try:
        render(content, channel, variables, moment)
    except (MessageAborted, RenderingFailed) as failure:
        return result_of_failure(failure)
    return _SENT


def _value(variables: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at the path, or at its last part that exists: `size`, `first` and the like belong to that."""
    for part in path:
        inner = variables.get(part) if isinstance(variables, Mapping) else None
        if inner is None:
            return variables if not isinstance(variables, Mapping) or part in ("size", "first", "last") else None
        variables = inner
    return variables
