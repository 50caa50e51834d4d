"""Which caller may call which route, from the application itself: `python -m tests.support.route_matrix` writes it.

A test compares the table in docs/keys.md with this module, and another one sends every request of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from connector.app.context import build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.key_schemes import CLIENT_KEY
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "keys.md"
BEGIN, END = "<!-- written by: python -m tests.support.route_matrix -->\n", "<!-- end -->\n"

KEYLESS, CLIENT, CLIENT_WITH_TOKEN = ("no key", "wrong", "revoked"), "client", "client with token"
SCOPES: Mapping[str, frozenset[str]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "manage": frozenset({"manage"}),
    "ingest, read": frozenset({"ingest", "read"}),
}
CALLERS = (*KEYLESS, CLIENT, CLIENT_WITH_TOKEN, *SCOPES)
"""The columns of the table."""
ALLOWED, UNKNOWN_CALLER, WITHOUT_SCOPE = "✓", "401", "403"

Security = list[dict[str, list[str]]]


def load_routes(app: FastAPI) -> dict[str, Security]:
    """Return what each route asks for, by method and path; an empty list: nothing."""
    described = {
        f"{verb.upper()} {path}": operation.get("security", [])
        for path, verbs in app.openapi()["paths"].items()
        for verb, operation in verbs.items()
    }
    undescribed = [route for route in iter_route_contexts(app.routes) if not route.include_in_schema]
    return described | {f"GET {route.path}": [] for route in undescribed}


def expected_answers(security: Security) -> dict[str, str]:
    """Return for each caller whether a route that asks for this is allowed, or the status of its refusal."""
    return {caller: _expected(security, caller) for caller in CALLERS}


def write_table(routes: Mapping[str, Security]) -> str:
    """Return the matrix as a table in Markdown; routes in their order by path."""
    rows = [("route", *CALLERS), ("---", *["---"] * len(CALLERS))]
    for name in sorted(routes, key=lambda name: name.split(" ")[::-1]):
        rows.append((f"`{name}`", *expected_answers(routes[name]).values()))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def split_page(text: str) -> tuple[str, str, str]:
    """Return the page before its table, the table, and the rest."""
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    return before + BEGIN, table, END + after


def _expected(security: Security, caller: str) -> str:
    if not security:
        return ALLOWED
    if caller in KEYLESS:
        return UNKNOWN_CALLER
    of_clients = any(CLIENT_KEY.scheme_name in way for way in security)
    if caller == CLIENT:
        return UNKNOWN_CALLER if of_clients else WITHOUT_SCOPE
    if caller == CLIENT_WITH_TOKEN:
        return ALLOWED if of_clients else WITHOUT_SCOPE
    return ALLOWED if any(set(scopes) <= SCOPES[caller] for scopes in _server_ways(security)) else WITHOUT_SCOPE


def _server_ways(security: Security) -> Iterator[list[str]]:
    return (scopes for way in security for name, scopes in way.items() if name != CLIENT_KEY.scheme_name)


def _open_app() -> FastAPI:
    return create_app(build_context(Settings(), Database.open("sqlite+aiosqlite:///unused.db")), Keys())


if __name__ == "__main__":
    before, _, after = split_page(PAGE.read_text())
    PAGE.write_text(f"{before}{write_table(load_routes(_open_app()))}{after}")
