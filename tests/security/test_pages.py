"""Pages and headers: no third party's script, nothing kept by caches, nothing in frames (issue 13, 11)."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from tests.support.api import open_client
from tests.support.api_process import api_process
from tests.support.browser import find_chromium, open_page

DOCS = ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json")
_VIOLATIONS = "new Promise(done => {const seen = []; new ReportingObserver(reports => seen.push(...reports.map(r => r.body.effectiveDirective + ' ' + r.body.blockedURL)), {types: ['csp-violation'], buffered: true}).observe(); setTimeout(() => done(seen.join()), 500)})"  # noqa: E501


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """With all settings at their defaults."""
    return build_context(Settings(), sqlite_database)


@pytest.mark.paired
async def test_docs_come_from_our_own_origin(sqlite_url: str, tmp_path: Path) -> None:
    """In a browser `/docs` shows the operations, and loads nothing from elsewhere; its policy blocks nothing of it."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium")
    async with api_process(sqlite_url, tmp_path / "api.log") as api, open_page(chromium, tmp_path / "profile") as page:
        origin = f"http://127.0.0.1:{api.port}"
        await page.open(f"{origin}/docs")
        await page.until("document.querySelectorAll('.opblock').length > 30")
        loaded = await page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        blocked = await page.evaluate(_VIOLATIONS)
    assert f"{origin}/openapi.json" in loaded
    assert [url for url in loaded if not url.startswith((f"{origin}/", "data:"))] == []
    assert blocked == ""


async def test_docs_run_no_script_of_the_page(context: AppContext) -> None:
    """The policy allows scripts of this origin only, and none in the page."""
    async with open_client(context, given=None) as api:
        answer = await api.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert "://" not in answer.text
    assert all('src="docs/' in script for script in answer.text.split("<script")[1:])


@pytest.mark.parametrize("path", DOCS)
async def test_docs_can_be_switched_off(sqlite_database: Database, path: str) -> None:
    """CONNECTOR_API_DOCS=false: neither page nor description; ReDoc's page, which needs a CDN, is never there."""
    async with open_client(build_context(Settings(api_docs=False), sqlite_database), given=None) as api:
        assert (await api.get(path)).status_code == 404
    async with open_client(build_context(Settings(), sqlite_database), given=None) as api:
        assert (await api.get(path)).status_code == 200
        assert (await api.get("/redoc")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users/u"),
        ("GET", "/v1/users/u/inbox"),
        ("GET", "/v1/users/u/explain"),
        ("GET", "/v1/follow-ups"),
        ("GET", "/v1/audit"),
        ("GET", "/metrics"),
        ("GET", "/healthz"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
        ("POST", "/v1/interactions"),
        ("POST", "/v1/identify"),
        ("POST", "/webhooks/sendgrid"),
        ("GET", "/u/forged"),
        ("GET", "/o/forged.gif"),
        ("GET", "/c/forged"),
        ("INVENTED", "/v1/users/u"),
    ],
)
@pytest.mark.parametrize("with_key", [True, False])
async def test_headers_of_every_response(context: AppContext, method: str, path: str, with_key: bool) -> None:
    """Responses and errors alike: not stored, not sniffed, not shown in frames, and without scripts from elsewhere."""
    async with open_client(context, **({} if with_key else {"given": None})) as api:
        headers = (await api.request(method, path)).headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
