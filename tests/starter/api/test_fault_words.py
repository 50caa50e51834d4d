"""The faults of every part of a request over HTTP are in the words of this project."""

from typing import Any

import httpx
import pytest

from tests.support.library_words import LIBRARY_WORDS

AT = "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/v1/follow-ups?limit=many", None, "limit: must be a whole number"),
        ("GET", "/v1/follow-ups?limit=0", None, "limit: must be greater than or equal to 1"),
        ("GET", "/v1/follow-ups?limit=5000", None, "limit: must be less than or equal to 1000"),
        ("GET", "/v1/follow-ups?state=gone", None, "state: 'gone' is not one of waiting, held"),
        ("GET", "/v1/follow-ups?state=droped", None, "state: 'droped' is not known; did you mean dropped?"),
        ("GET", "/v1/follow-ups?campaign=" + "x" * 300, None, "campaign: has more than 255 characters"),
        ("GET", "/v1/follow-ups?campaign=a%00b", None, "does not have the form that is expected here"),
        ("PUT", "/v1/users/u", {"push_tokens": "t"}, "push_tokens: must be a list; put it in brackets"),
        ("PATCH", "/v1/users/u", {"attributes": []}, "attributes: must be a mapping of keys to values"),
        ("PATCH", "/v1/users/u", {"consent": {"push": 5}}, "consent.push: 5 is not one of subscribed"),
        ("PUT", "/v1/users/u", {"first_name": 5}, 'first_name: must be text; quote it: "5"'),
        ("PUT", "/v1/users/u", "[", "the body is not JSON, at line 1, column 1: it ends within a list"),
        (
            "PUT",
            "/v1/users/u",
            "{'a': 1}",
            "the body is not JSON, at line 1, column 2: texts are written in double quotes",
        ),
        ("PUT", "/v1/campaigns/c", {"delivery": None}, "delivery: is empty; it must be a mapping of keys to values"),
        ("PUT", "/v1/campaigns/c", {"delivery": {"type": "scheduled", "send": None}}, "delivery.send: is empty; write"),
        ("PUT", "/v1/campaigns/c", {"delivery": {"type": None}}, "delivery"),
        ("POST", "/v1/campaigns/c/publish", {"allow_missed": "perhaps"}, "allow_missed: must be true or false"),
        ("POST", "/v1/interactions", {"interactions": {}}, "interactions"),
        ("POST", "/v1/interactions", {"interactions": [{"user": None, "type": "start_session"}]}, "user: is empty"),
        (
            "POST",
            "/v1/interactions",
            {"interactions": [{"user": "u", "type": "event", "occurred_at": 5}]},
            "5 is not a time",
        ),
        ("POST", "/v1/interactions", {"interactions": [None]}, "an interaction is an object"),
        ("POST", "/v1/interactions", {"interactions": [], "users": [{"id": 5}]}, "id: must be text"),
    ],
)
async def test_words(api: httpx.AsyncClient, method: str, path: str, body: Any, words: str) -> None:
    """The part of the request, what is wrong, and what would be right."""
    content = {"content": body} if isinstance(body, str) else {} if body is None else {"json": body}
    answer = await api.request(method, path, **content)
    said = answer.text.replace("\\'", "'").replace('\\"', '"')
    assert answer.status_code in (200, 400, 404, 422), said
    assert words in said
    assert not LIBRARY_WORDS.search(said), said
