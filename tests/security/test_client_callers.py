"""Real callers with a key of the scope `client`: a browser across origins, and the SDKs of Segment and RudderStack."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics.client import Client as SegmentClient

from tests.support.browser import find_chromium, open_page
from tests.support.builders import now
from tests.support.client_keys import keyed_api, sign
from tests.support.web_site import serve_site


@pytest.mark.timeout(120)
async def test_a_web_page_reports_from_a_listed_origin_only(
    _sqlite_template: Path,  # noqa: PT019 - its value is used
    tmp_path: Path,
) -> None:
    """A browser asks before it sends: other origins send and read nothing, and no origin calls other routes."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on the PATH")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>shop</title>")
    with serve_site(tmp_path / "site") as shop, serve_site(tmp_path / "site") as evil:
        async with (
            keyed_api(_sqlite_template, tmp_path, CONNECTOR_CLIENT_ORIGINS=json.dumps([shop])) as api,
            open_page(chromium, tmp_path / "profile") as page,
        ):
            base = f"http://127.0.0.1:{api.process.port}"
            headers = {"Authorization": f"Bearer {api.keys['client']}", "X-User-Token": sign("p1")}
            event = {"type": "event", "name": "seen", "occurred_at": now().isoformat()}
            post = {"method": "POST", "headers": headers, "body": json.dumps({"interactions": [event]})}
            calls = ((f"{base}/v1/interactions", post), (f"{base}/v1/users/p1/inbox", {"headers": headers}))
            server_s = (f"{base}/v1/users/p1", {"headers": headers})
            for origin, expected in ((shop, [200, 200, 0]), (evil, [0, 0, 0])):
                await page.open(f"{origin}/index.html")
                await page.until("document.title === 'shop'")
                statuses = [
                    await page.evaluate(f"fetch({json.dumps(url)}, {json.dumps(options)}).then(r => r.status, () => 0)")
                    for url, options in (*calls, server_s)
                ]
                assert statuses == expected, origin


@pytest.mark.parametrize(("sdk", "user"), [(SegmentClient, "s1"), (RudderClient, "s2")])
async def test_an_sdk_sends_the_token_with_its_write_key(
    sdk: type[Any],
    user: str,
    _sqlite_template: Path,  # noqa: PT019 - its value is used
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`KEY:TOKEN` is the write key; what the client may not say is rejected, and the rest is stored."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with keyed_api(_sqlite_template, tmp_path) as api, api.caller("read") as reader:

        def send() -> None:
            client = sdk(f"{api.keys['client']}:{sign(user)}", host=f"http://127.0.0.1:{api.process.port}", gzip=True)
            client.identify(user, {"theme": "dark"})
            client.identify(user, {"email": "mallory@evil.test"})
            client.identify("victim", {"theme": "dark"})
            client.shutdown()

        await asyncio.to_thread(send)
        stored = (await reader.get(f"/v1/users/{user}")).json()
        assert (stored["attributes"], stored["email"]) == ({"theme": "dark"}, None)
        assert (await reader.get("/v1/users/victim")).status_code == 404
