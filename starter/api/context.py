"""How routes get what they work with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from connector.app.context import AppContext


def get_context(request: Request) -> AppContext:
    """The parts that the application was made with."""
    context: AppContext = request.app.state.context
    return context


ContextHere = Annotated[AppContext, Depends(get_context)]
