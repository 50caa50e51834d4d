"""Paths of the console's pages, with ids encoded, and the link into Temporal's UI."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

DOTS = (".", "..")
"""Ids that browsers take for steps in a path, even percent-encoded; they travel in the query instead."""
_BY_QUERY = "-"


def at(*parts: str, **query: str | None) -> str:
    """Return a path of these parts, each encoded, and a query without the parameters that are None."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def user_path(id: str) -> str:
    """Return the path of a user's page, by any id of the user or the user key."""
    return at("users", _BY_QUERY, id=id) if id in DOTS else at("users", id)


def page_of_user(id: str, query: Mapping[str, str | None], fragment: str = "timeline") -> str:
    """Return the path of a part of a user's page, with parameters beside the id."""
    path = at("users", _BY_QUERY, id=id, **query) if id in DOTS else at("users", id, **query)
    return f"{path}#{fragment}"


def follow_up_path(id: str) -> str:
    """Return the path of a follow-up's page."""
    return at("follow-ups", id)


def campaign_path(id: str) -> str:
    """Return the path of a campaign's or card's page."""
    return at("campaigns", id)


def id_in(name: str, id: str | None) -> str:
    """Return the id that a path or, for an id of dots, its query names."""
    return id if name == _BY_QUERY and id in DOTS else name


def workflow_url(ui_url: str, namespace: str, workflow_id: str) -> str:
    """Return the address of a workflow's newest run in Temporal's UI.

    Args:
        ui_url: the address of the UI, with its path if it has one.
    """
    return f"{ui_url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"
