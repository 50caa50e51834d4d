"""docs/api.md: every error code of the API, each once."""

import re
from http import HTTPStatus

from starter.api.openapi import responses
from tests.support.repository import DOCS, ROOT

CODES = re.compile(r'\b(?:ApiError\(\s*\d{3},|unavailable\()\s*"([a-z_]+)"')
PHRASES = {HTTPStatus.METHOD_NOT_ALLOWED}
"""The codes that are made of a status."""


def test_every_error_code_is_there() -> None:
    """Those that the code raises, and no other; with the status of the OpenAPI document."""
    table = (DOCS / "api.md").read_text().partition("| status | code |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", table, re.MULTILINE)
    documented = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    sources = [path.read_text() for path in (ROOT / "starter").rglob("*.py")]
    raised = {code for text in sources for code in CODES.findall(text)}
    assert {code for _, code in documented} == raised | {status.name.lower() for status in PHRASES}
    assert {(status, code) for status, (_, code, _) in responses._MEANINGS.items()} <= documented
