"""Tracked links: the open pixel, redirects, and the unsubscribe page. No key: the token authenticates.

Only unsubscribing uses the store before the response, so links also work while the database is down.
"""

from __future__ import annotations

import asyncio
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from connector.app.context import AppContext
from connector.rules.provider_events.classification import EngagementKind, Visit
from connector.store.engine.database import StoreUnavailable
from connector.tracking.rewriting import is_web
from connector.tracking.tokens import LinkKind, Token, TokenExpired, TokenInvalid, Tokens, open_tokens
from connector.tracking.visits import FollowedLink, Visits, unsubscribe
from starter.api.context import machine_now
from starter.api.requests.admission import admit
from starter.api.requests.metrics import visits_counted
from starter.api.requests.pools import PoolName
from starter.api.routes.tracking_pages import PIXEL, TrackingPage, page, pixel, redirect

_MAX_AGENT_CHARACTERS = 512
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation

router = APIRouter(tags=["tracking"])

_NOT_FOUND_OR_EXPIRED = {404: {"description": "The link is unknown."}, 410: {"description": "The link is too old."}}
_PAGES: dict[int | str, dict[str, Any]] = {
    status: {**response, "content": {"text/html": {"schema": {"type": "string"}}}}
    for status, response in (*_NOT_FOUND_OR_EXPIRED.items(), (503, {"description": "Not now: please try again."}))
}
_ONWARD: dict[int | str, dict[str, Any]] = {
    **_PAGES,
    302: {
        "description": "Redirect to the target.",
        "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
    },
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    **_PAGES,
    200: {
        "description": "A transparent picture of one by one.",
        "content": {"image/gif": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@dataclass(frozen=True)
class TrackingContext:
    """The objects of the routes: the token reader (None: tracking is not configured) and the recorder of visits."""

    context: AppContext
    tokens: Tokens | None
    visits: Visits

    def token(self, text: str, kind: LinkKind) -> Token | Response:
        """Return the decoded token, or the page that explains why it cannot be used."""
        if self.tokens is None:
            return page(TrackingPage.UNKNOWN)
        try:
            return self.tokens.read_link(text, kind, at=machine_now())
        except TokenExpired:
            return page(TrackingPage.EXPIRED)
        except TokenInvalid:
            return page(TrackingPage.UNKNOWN)


def open_tracking(context: AppContext) -> TrackingContext:
    """Create the tracking context from the settings."""
    visits = Visits(
        context.database,
        context.intake,
        context.workspace,
        clock=machine_now,
        changed=context.outbox.nudge,
        counted=lambda outcome, number: visits_counted.labels(outcome).inc(number),
    )
    return TrackingContext(context, open_tokens(context.settings), visits)


@asynccontextmanager
async def ingesting_visits(tracking: TrackingContext) -> AsyncIterator[None]:
    """Ingest visits while the block runs, and the remaining ones at its end."""
    stopped = asyncio.Event()
    running = asyncio.create_task(tracking.visits.run(stopped))
    try:
        yield
    finally:
        stopped.set()
        await running


def tracking_of(request: Request) -> TrackingContext:
    """Return the tracking context of the application."""
    tracking: TrackingContext = request.app.state.tracking
    return tracking


TrackingHere = Annotated[TrackingContext, Depends(tracking_of)]


@router.head("/o/{token}.gif", include_in_schema=False)
@router.get("/o/{token}.gif", response_class=Response, responses=_PICTURE)
async def open_email(token: str, request: Request, tracking: TrackingHere) -> Response:
    """Record an open and return the pixel."""
    read = tracking.token(token, LinkKind.OPEN)
    if isinstance(read, Response):
        return read
    tracking.visits.note(FollowedLink(read, _visit(EngagementKind.OPEN, request, read)))
    return pixel(PIXEL)


@router.head("/c/{token}", include_in_schema=False)
@router.get("/c/{token}", status_code=302, response_class=Response, responses=_ONWARD)
async def click_email(token: str, request: Request, tracking: TrackingHere) -> Response:
    """Record a click in an email and redirect to its target."""
    return _redirect_to_target(tracking, token, LinkKind.CLICK, request)


@router.head("/s/{token}", include_in_schema=False)
@router.get("/s/{token}", status_code=302, response_class=Response, responses=_ONWARD)
async def click_sms_link(token: str, request: Request, tracking: TrackingHere) -> Response:
    """Record a click in a text message and redirect to its target."""
    return _redirect_to_target(tracking, token, LinkKind.SHORT, request)


@router.head("/u/{token}", include_in_schema=False)
@router.get("/u/{token}", response_class=HTMLResponse, responses=_PAGES)
async def show_unsubscribe(token: str, tracking: TrackingHere) -> Response:
    """Return the page with the unsubscribe button. Viewing it changes nothing: mail scanners follow links."""
    read = tracking.token(token, LinkKind.UNSUBSCRIBE)
    return read if isinstance(read, Response) else page(TrackingPage.ASK)


@router.post("/u/{token}", response_class=HTMLResponse, responses=_PAGES)
async def do_unsubscribe(token: str, request: Request, tracking: TrackingHere) -> Response:
    """Unsubscribe by the button of the page or of a mail program (RFC 8058).

    The body is ignored: the token names the user. The response does not reveal whether the user still exists.
    """
    read = tracking.token(token, LinkKind.UNSUBSCRIBE)
    if isinstance(read, Response):
        return read
    await admit(request, PoolName.LINKS)
    try:
        await unsubscribe(tracking.context.database, tracking.context.workspace, read.delivery_id)
    except StoreUnavailable:
        return page(TrackingPage.LATER)
    return page(TrackingPage.DONE)


def _redirect_to_target(tracking: TrackingContext, text: str, kind: LinkKind, request: Request) -> Response:
    read = tracking.token(text, kind)
    if isinstance(read, Response):
        return read
    if read.url is None or not is_web(read.url):
        return page(TrackingPage.UNKNOWN)
    tracking.visits.note(FollowedLink(read, _visit(EngagementKind.CLICK, request, read)))
    # Escape only what a header cannot hold; existing escapes do not change.
    return redirect(quote(read.url, safe=_PRINTABLE))


def _visit(act: EngagementKind, request: Request, token: Token) -> Visit:
    agent = request.headers.get("user-agent", "")[:_MAX_AGENT_CHARACTERS]
    return Visit(act, machine_now(), agent, "HEAD" if request.method == "HEAD" else "GET", token.link)
