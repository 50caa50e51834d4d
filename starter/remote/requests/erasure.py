"""The requests of `starter.operations.erasure`."""

from typing import Any

from starter.operations.erasure import erase
from starter.remote.registration import Request, View, act_over_http, path


@act_over_http(erase)
def _erase(id: str, *, reason: str | None = None) -> Request:
    def read(status: int, value: Any) -> View | None:
        """Return the result: a 204 has no body, and a 404 says whether the user was erased before."""
        if status == 204:
            return {"user": id, "result": "erased"}
        details = value.get("error", {}).get("details", {}) if status == 404 and isinstance(value, dict) else {}
        return {"user": id, "result": details["result"]} if "result" in details else None

    return Request("DELETE", path("/v1/users/{id}", id=id), {"reason": reason}, read=read)
