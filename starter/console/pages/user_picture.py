"""The timeline of a user as a picture, drawn when it is asked for."""

from __future__ import annotations

from base64 import b64encode

from nicegui import ui

from connector.simulation.pictures import NotDrawable
from starter.console.elements.errors import attempt
from starter.console.elements.sentences import sentence
from starter.console.state import Viewer
from starter.explain.explain import explain_decisions
from starter.explain.picture import draw_explanation
from starter.operations.user_logs import read_user_log

_RECENTLY = "1 day"
"""The picture has the whole log, whatever arrived since then."""


def picture_button(viewer: Viewer, id: str) -> None:
    """Add a button that draws what the user did, and the outcomes."""

    async def show() -> None:
        async def load() -> str | NotDrawable:
            explanation = await explain_decisions(viewer.context, id)
            try:
                return draw_explanation(explanation, await read_user_log(viewer.context, id, _RECENTLY))
            except NotDrawable as error:
                return error

        drawn = await attempt(load)
        if drawn is None:
            return
        box.clear()
        with box:
            if isinstance(drawn, NotDrawable):
                sentence(str(drawn), "cc-muted")
            else:
                _image(drawn, id)

    ui.button("Draw it", icon="timeline", on_click=show).props("outline dense")
    box = ui.element("div").classes("cc-picture")


def _image(svg: str, id: str) -> None:
    """Show the picture as an image, in which nothing runs."""
    image = ui.element("img")
    image.props["src"] = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
    image.props["alt"] = f"What {id} did, and the outcomes; the list below has the same in words"
