"""The dependency by which routes get the `AppContext`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from connector.app.context import AppContext


def get_context(request: Request) -> AppContext:
    """Return the context that the application was created with."""
    context: AppContext = request.app.state.context
    return context


ContextHere = Annotated[AppContext, Depends(get_context)]
