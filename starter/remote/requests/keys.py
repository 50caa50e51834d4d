"""The requests of `starter.operations.keys`; one that makes a key is never sent twice, because each makes another."""

from collections.abc import Sequence
from datetime import timedelta

from connector.rules.model.api_keys import Scope
from connector.rules.model.values import format_duration
from starter.operations.keys import create_api_key, list_api_keys, revoke_api_key, rotate_api_key
from starter.remote.registration import Request, act_over_http, get, over_http, path


@over_http(list_api_keys)
def _list() -> Request:
    return get("/v1/keys")


@act_over_http(create_api_key)
def _create(
    *,
    name: str,
    scopes: Sequence[Scope],
    rate: float | None = None,
    lifetime: timedelta | None = None,
    reason: str | None = None,
) -> Request:
    expires = None if lifetime is None else format_duration(lifetime)
    body = {"name": name, "scopes": list(scopes), "rate": rate, "expires": expires, "reason": reason}
    return Request("POST", "/v1/keys", body=body)


@act_over_http(rotate_api_key)
def _rotate(id: str, *, overlap: timedelta, reason: str | None = None) -> Request:
    body = {"overlap": format_duration(overlap), "reason": reason}
    return Request("POST", path("/v1/keys/{id}/rotate", id=id), body=body)


@act_over_http(revoke_api_key)
def _revoke(id: str, *, reason: str | None = None) -> Request:
    return Request("POST", path("/v1/keys/{id}/revoke", id=id), body={"reason": reason}, is_repeatable=True)
