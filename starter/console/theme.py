"""Colours and the head of every page. The styles are in static/console.css, by custom properties for both modes."""

from __future__ import annotations

COLOURS = {
    "primary": "#3451b2",
    "secondary": "#5b6472",
    "accent": "#7a3fb0",
    "positive": "#1a7f4b",
    "negative": "#c2283a",
    "info": "#2b6cb0",
    "warning": "#9a6700",
    "dark": "#161a22",
    "dark-page": "#0f1218",
}
"""Quasar's names; all of them have a contrast of 4.5 and more to white text."""

HEAD = (
    '<link rel="stylesheet" href="/assets/console.css">'
    '<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">'
    '<script defer src="/assets/console.js"></script>'
)
