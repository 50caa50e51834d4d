"""What pydantic found wrong, as faults in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.rules.errors import Fault


def faults_of(errors: Iterable[Mapping[str, Any]], *, skip: int = 0) -> list[Fault]:
    """One fault an error; `skip` leaves out so many first steps of the place, like FastAPI's `query`."""
    return [Fault(".".join(str(step) for step in error["loc"][skip:]), _words(error)) for error in errors]


def _words(error: Mapping[str, Any]) -> str:
    words = str(error["msg"]).removeprefix("Value error, ")
    return "is not a known key" if error["type"] == "extra_forbidden" else words
