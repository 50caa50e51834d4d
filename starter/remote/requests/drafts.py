"""The requests of `starter.operations.drafts`, and how definitions are sent: as the texts that they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.definitions import Definitions
from starter.operations.drafts import apply_definitions
from starter.remote.registration import LONG_SECONDS, Request, act_over_http


@act_over_http(apply_definitions)
def _apply(definitions: Definitions, *, reason: str | None = None, bases: Mapping[str, int] | None = None) -> Request:
    options = {"reason": reason, "bases": None if bases is None else dict(bases)}
    body = files_of(definitions) | {name: value for name, value in options.items() if value is not None}
    return Request("POST", "/v1/apply", body=body, is_repeatable=True, seconds=LONG_SECONDS)


def files_of(definitions: Definitions) -> dict[str, Any]:
    """Return the part of a body that has the definitions."""
    return {"files": [{"name": name, "text": text} for name, text in definitions.texts.items()]}
