"""What routes need of their surroundings: the `AppContext`, as a dependency, and this machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from connector.app.context import AppContext


def get_context(request: Request) -> AppContext:
    """Return the context that the application was created with."""
    context: AppContext = request.app.state.context
    return context


ContextHere = Annotated[AppContext, Depends(get_context)]


def machine_now() -> datetime:
    """Return the current time in UTC by this machine's clock, by which user tokens, links and webhooks expire."""
    return datetime.fromtimestamp(time.time(), UTC)
