"""Render single templates."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector.rules.model.messages import Messages
from connector.templating.templates import RenderMoment, render

MOMENT = RenderMoment(datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC), "America/New_York")
"""Monday 2026-03-02 10:04:05 in the company's zone."""


def render_text(text: str, variables: Mapping[str, Any], moment: RenderMoment = MOMENT) -> str:
    """Return the rendered body of a text message."""
    rendered: str = render(Messages.model_validate({"sms": {"body": text}}), "sms", variables, moment)["body"]
    return rendered
