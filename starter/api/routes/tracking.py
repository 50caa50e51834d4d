"""Where tracked links lead: pixel, redirects, and the page to unsubscribe on. Without a key: the token is one.

Nothing but unsubscribing touches the store before the answer, so links work also while it is away.
"""

from __future__ import annotations

import asyncio
import string
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import Counter

from connector.app.context import AppContext
from connector.channels.tracking import open_tokens
from connector.rules.provider_events.classification import EngagementKind, Visit
from connector.store.engine.database import StoreUnavailable
from connector.tracking.consent import unsubscribe
from connector.tracking.rewriting import is_web
from connector.tracking.tokens import Kind, Token, TokenExpired, TokenInvalid, Tokens
from connector.tracking.visits import FollowedLink, Visits
from starter.api.routes.tracking_pages import PIXEL, TrackingPage, page, pixel, redirect

visits_counted = Counter(
    "connector_tracked_visits", "Opens and clicks of tracked links, by what became of them.", ["fate"]
)
_LONGEST_AGENT = 512
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation

router = APIRouter(tags=["tracking"])

_LEADS_NOWHERE = {404: {"description": "The link leads nowhere."}, 410: {"description": "The link is too old."}}
_PAGES: dict[int | str, dict[str, Any]] = {
    status: {**response, "content": {"text/html": {"schema": {"type": "string"}}}}
    for status, response in (*_LEADS_NOWHERE.items(), (503, {"description": "Not now: please try again."}))
}
_ONWARD: dict[int | str, dict[str, Any]] = {
    **_PAGES,
    302: {"description": "On to the target.", "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}}},
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    **_PAGES,
    200: {
        "description": "A transparent picture of one by one.",
        "content": {"image/gif": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@dataclass(frozen=True)
class Tracking:
    """What the endpoints work with: what reads tokens (None: tracking is not set up), and where visits go."""

    context: AppContext
    tokens: Tokens | None
    visits: Visits

    def token(self, text: str, kind: Kind) -> Token | Response:
        """What a token says, or the page that says why it leads nowhere."""
        if self.tokens is None:
            return page(TrackingPage.UNKNOWN)
        try:
            return self.tokens.read(text, kind, at=now())
        except TokenExpired:
            return page(TrackingPage.EXPIRED)
        except TokenInvalid:
            return page(TrackingPage.UNKNOWN)


def open_tracking(context: AppContext) -> Tracking:
    """What the endpoints work with, as the settings say."""
    visits = Visits(
        context.database,
        context.intake,
        context.workspace,
        clock=now,
        changed=context.outbox.nudge,
        counted=lambda fate, number: visits_counted.labels(fate).inc(number),
    )
    return Tracking(context, open_tokens(context.settings), visits)


@asynccontextmanager
async def taking_in(tracking: Tracking) -> AsyncIterator[None]:
    """Visits are taken in for as long as the block runs, and those that wait at its end."""
    stopped = asyncio.Event()
    running = asyncio.create_task(tracking.visits.run(stopped))
    try:
        yield
    finally:
        stopped.set()
        await running


def tracking_of(request: Request) -> Tracking:
    """What the application was made with."""
    tracking: Tracking = request.app.state.tracking
    return tracking


TrackingHere = Annotated[Tracking, Depends(tracking_of)]


@router.head("/o/{token}.gif", include_in_schema=False)
@router.get("/o/{token}.gif", response_class=Response, responses=_PICTURE)
async def open_email(token: str, request: Request, tracking: TrackingHere) -> Response:
    """The pixel of a mail."""
    read = tracking.token(token, Kind.OPEN)
    if isinstance(read, Response):
        return read
    tracking.visits.note(FollowedLink(read, _visit(EngagementKind.OPEN, request, read)))
    return pixel(PIXEL)


@router.head("/c/{token}", include_in_schema=False)
@router.get("/c/{token}", status_code=302, response_class=Response, responses=_ONWARD)
async def click_email(token: str, request: Request, tracking: TrackingHere) -> Response:
    """A link of a mail: on to its target."""
    return _followed(tracking, token, Kind.CLICK, request)


@router.head("/s/{token}", include_in_schema=False)
@router.get("/s/{token}", status_code=302, response_class=Response, responses=_ONWARD)
async def click_sms_link(token: str, request: Request, tracking: TrackingHere) -> Response:
    """A link of a text message: on to its target."""
    return _followed(tracking, token, Kind.SHORT, request)


@router.head("/u/{token}", include_in_schema=False)
@router.get("/u/{token}", response_class=HTMLResponse, responses=_PAGES)
async def show_unsubscribe(token: str, tracking: TrackingHere) -> Response:
    """The page with the button. Looking at it changes nothing, whoever looks: mail scanners do."""
    read = tracking.token(token, Kind.UNSUBSCRIBE)
    return read if isinstance(read, Response) else page(TrackingPage.ASK)


@router.post("/u/{token}", response_class=HTMLResponse, responses=_PAGES)
async def do_unsubscribe(token: str, tracking: TrackingHere) -> Response:
    """Unsubscribe, by the page's button or a mail program's (RFC 8058). The body says nothing that the token does not.

    Whether there is still such a user is not told.
    """
    read = tracking.token(token, Kind.UNSUBSCRIBE)
    if isinstance(read, Response):
        return read
    try:
        await unsubscribe(tracking.context.database, tracking.context.workspace, read.delivery_id)
    except StoreUnavailable:
        return page(TrackingPage.LATER)
    return page(TrackingPage.DONE)


def now() -> datetime:
    """The time in UTC, by this machine's clock."""
    return datetime.fromtimestamp(time.time(), UTC)


def _followed(tracking: Tracking, text: str, kind: Kind, request: Request) -> Response:
    read = tracking.token(text, kind)
    if isinstance(read, Response):
        return read
    if read.url is None or not is_web(read.url):
        return page(TrackingPage.UNKNOWN)
    tracking.visits.note(FollowedLink(read, _visit(EngagementKind.CLICK, request, read)))
    # What a header cannot hold is escaped; everything else, escapes too, is left as the author wrote it.
    return redirect(quote(read.url, safe=_PRINTABLE))


def _visit(act: EngagementKind, request: Request, token: Token) -> Visit:
    agent = request.headers.get("user-agent", "")[:_LONGEST_AGENT]
    return Visit(act, now(), agent, "HEAD" if request.method == "HEAD" else "GET", token.link)
