"""Ids in addresses: whatever a user is called, the address of the page leads to that user and to no other place."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import pytest

from starter.console.paths import follow_up_path, id_in, page_of_user, user_path, workflow_url

IDS = [
    "u-17",
    "a/b",
    "/a",
    "a/",
    "//evil.test",
    "..",
    ".",
    "../keys",
    "-",
    "a b",
    "a+b",
    "a%2Fb",
    "%",
    "a?b=c",
    "a#b",
    "a&b",
    "ann@shop.test",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "Zoë",
    "用户",
    "👩‍🚀",
    "a\nb",
    "\\\\evil.test",
    "u" * 255,
]


@pytest.mark.parametrize("id", IDS)
def test_the_path_of_a_user_leads_to_the_user(id: str) -> None:
    """As a browser resolves the link, and as the router reads the path."""
    for path in (user_path(id), page_of_user(id, {"after": "x"})):
        url = urlsplit(urljoin("http://console.test/users", path))
        assert (url.scheme, url.netloc) == ("http", "console.test")
        assert url.path.startswith("/users/")
        name, query = unquote(url.path.removeprefix("/users/")), parse_qs(url.query)
        assert id_in(name, query.get("id", [None])[0]) == id


def test_an_id_that_looks_like_the_way_out_is_an_ordinary_one() -> None:
    """`/users/-` is a user called `-`, and a query on any other path names no user."""
    assert id_in("-", None) == "-"
    assert id_in("-", "ada") == "-"
    assert id_in("ada", "..") == "ada"


@pytest.mark.parametrize("id", ["follow-up/default/f/k/1", "a/../b", "<b>"])
def test_the_path_of_a_follow_up_keeps_the_id_of_its_workflow(id: str) -> None:
    """The id of a workflow has slashes, and is one segment."""
    assert unquote(follow_up_path(id).removeprefix("/follow-ups/")) == id
    assert follow_up_path(id).count("/") == 2


@pytest.mark.parametrize(
    ("ui_url", "namespace", "workflow", "url"),
    [
        ("http://127.0.0.1:8233", "default", "a/b", "http://127.0.0.1:8233/namespaces/default/workflows/a%2Fb"),
        ("https://t.test/ui/", "shop.a1b2", "a.2", "https://t.test/ui/namespaces/shop.a1b2/workflows/a.2"),
        ("https://t.test", "a/b", "x?y#z", "https://t.test/namespaces/a%2Fb/workflows/x%3Fy%23z"),
    ],
)
def test_the_link_into_temporal(ui_url: str, namespace: str, workflow: str, url: str) -> None:
    """Namespace and workflow are one segment each, whatever is in them."""
    assert workflow_url(ui_url, namespace, workflow) == url
