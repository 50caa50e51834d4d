"""How routes get what they work with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from connector.app.context import Parts


def parts_of(request: Request) -> Parts:
    """The parts that the application was made with."""
    parts: Parts = request.app.state.parts
    return parts


PartsHere = Annotated[Parts, Depends(parts_of)]
