"""An example request and response of one operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Example:
    """A request, by parameter names and body, and its response as JSON; None: no body.

    `view` is the model of the response if the route does not declare one.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    answer: Any = None
    view: type[BaseModel] | None = None
