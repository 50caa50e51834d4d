"""The sign-in: a plain form without a script. Whoever presents a valid key with `read` gets a session."""

from __future__ import annotations

import hmac
import html
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from connector.rules.model.api_keys import Scope, parse_key
from connector.store.engine.outages import StoreUnavailable
from starter.api.access.authorization import Credentials
from starter.api.access.scopes import check_scopes
from starter.api.requests.clients import client_of
from starter.api.requests.errors import ApiError, as_api_error
from starter.console.addresses import Addresses
from starter.console.gate import cookie_name
from starter.console.sessions import SESSION, Session
from starter.console.state import Console

_STATIC = Path(__file__).parent / "static"
_ASSETS = {
    "compose.css": "text/css",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "sign_in.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_MAX_FORM_BYTES = 8 * 1024
_MAX_KEY_CHARACTERS = 1024

_log = structlog.get_logger("console")


class SignIn:
    """The routes before the sign-in, and the sign-out.

    The form carries a token that is made of a cookie set with it and a secret of this process: a foreign page can
    neither read nor make one, so it cannot sign anybody in.
    """

    def __init__(self, console: Console, addresses: Addresses, lifetime_seconds: float) -> None:
        self._console, self._addresses = console, addresses
        self._lifetime = int(lifetime_seconds)
        self._secret = secrets.token_bytes(32)
        self._form_cookie = cookie_name(addresses) + "_form"

    def app(self) -> Starlette:
        """Return the application with these routes."""
        return Starlette(
            routes=[
                Route("/healthz", _answer_alive),
                Route("/assets/{name}", _send_asset),
                Route("/sign-in", self._show_form),
                Route("/sign-in", self._sign_in, methods=["POST"]),
                Route("/sign-out", self._sign_out, methods=["POST"]),
            ]
        )

    async def _show_form(self, request: Request) -> Response:
        target = _own_path(request.query_params.get("next"))
        if request.scope["state"][SESSION] is not None:
            return RedirectResponse(target, 303)
        return self._form(request, target)

    async def _sign_in(self, request: Request) -> Response:
        form = await _read_form(request)
        target = _own_path(form.get("next"))
        if self._console.open_session is not None:
            return RedirectResponse(target, 303)
        cookie = request.cookies.get(self._form_cookie, "")
        if not cookie or not hmac.compare_digest(self._token_of(cookie), form.get("token", "").encode()):
            return self._form(request, target, "this form is too old; try again", 403)
        held: Session | None = request.scope["state"][SESSION]
        try:
            id, session = await self._begin(request, form.get("key", "").strip())
        except (ApiError, StoreUnavailable) as error:
            return self._refuse(request, target, as_api_error(error))
        if held is not None:
            self._console.sessions.end(held)
        _log.info("console_signed_in", key=session.caller.id, client=client_of(request.scope))
        answer = RedirectResponse(target, 303)
        self._set_cookie(answer, cookie_name(self._addresses), id, self._lifetime)
        answer.delete_cookie(self._form_cookie, path="/")
        return answer

    async def _begin(self, request: Request, text: str) -> tuple[str, Session]:
        if not text or len(text) > _MAX_KEY_CHARACTERS:
            raise ApiError(401, "unauthorized", "a key is needed")
        given = Credentials(text.encode("utf-8", errors="replace"))
        caller = await self._console.keys.identify(request, given)
        check_scopes(caller, Scope.READ)
        self._console.keys.count_request(caller)
        presented = parse_key(given.as_text)
        is_stored = presented is not None and presented.id == caller.id
        return self._console.sessions.begin(caller, presented if is_stored else None)

    def _refuse(self, request: Request, target: str, error: ApiError) -> Response:
        _log.warning("console_sign_in_refused", client=client_of(request.scope), code=error.code)
        message = error.message.partition("; send the header")[0]
        return self._form(request, target, message, error.status, error.headers)

    async def _sign_out(self, request: Request) -> Response:
        session: Session | None = request.scope["state"][SESSION]
        form = await _read_form(request)
        if session is None or session is self._console.open_session:
            return RedirectResponse("/sign-in", 303)
        if not hmac.compare_digest(session.form_token.encode(), form.get("token", "").encode()):
            return PlainTextResponse("this form belongs to another sign-in\n", 403)
        self._console.sessions.end(session)
        _log.info("console_signed_out", key=session.caller.id, client=client_of(request.scope))
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(cookie_name(self._addresses), path="/", secure=self._addresses.is_https, httponly=True)
        return answer

    def _form(
        self,
        request: Request,
        target: str,
        problem: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        cookie = secrets.token_urlsafe(24)
        page = _page(target, self._token_of(cookie).decode(), problem)
        kept = {name: value for name, value in (headers or {}).items() if name.lower() == "retry-after"}
        answer = HTMLResponse(page, status, kept)
        self._set_cookie(answer, self._form_cookie, cookie, 3600)
        return answer

    def _set_cookie(self, answer: Response, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            name, value, seconds, path="/", secure=self._addresses.is_https, httponly=True, samesite="strict"
        )

    def _token_of(self, cookie: str) -> bytes:
        return hmac.digest(self._secret, cookie.encode(), "sha256").hex().encode()


async def _answer_alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _send_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return PlainTextResponse("not found\n", HTTPStatus.NOT_FOUND)
    return FileResponse(_STATIC / name, media_type=_ASSETS[name], headers={"cache-control": "public, max-age=3600"})


async def _read_form(request: Request) -> dict[str, str]:
    """Return the first value of each field of a form; nothing of one that is too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=20)
    return {name: values[0] for name, values in fields.items()}


def _own_path(path: str | None) -> str:
    """Return a path on this origin, so that the sign-in leads nowhere else."""
    is_own = path is not None and path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own and path is not None and "\\" not in path else "/"


def _page(target: str, token: str, problem: str | None) -> str:
    alert = "" if problem is None else f'<p class="problem" role="alert">{html.escape(problem)}</p>'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Campaign Connector</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/sign_in.css">
</head>
<body>
<main>
<img src="/assets/icon.svg" alt="" width="40" height="40">
<h1>Campaign Connector</h1>
{alert}
<form method="post" action="/sign-in">
<input type="hidden" name="token" value="{html.escape(token)}">
<input type="hidden" name="next" value="{html.escape(target)}">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus
 spellcheck="false" aria-describedby="help">
<button type="submit">Sign in</button>
</form>
<p id="help">A key with the scope <code>read</code> lets you look; with <code>manage</code> you can publish, stop and
steer. Create one with<br><code>connector keys create --name NAME --scope read --scope manage</code></p>
</main>
</body>
</html>
"""
