"""The security schemes of the OpenAPI document. `scopes` reads the header itself, so that errors have the API's shape.

This module must not postpone annotations: FastAPI does not resolve names in methods of an object.
"""

from typing import Any

from fastapi.security import HTTPBasic, HTTPBearer
from starlette.requests import HTTPConnection

USER_TOKEN_HEADER = "X-User-Token"  # noqa: S105 - the name of a header


class _Bearer(HTTPBearer):
    async def __call__(self, request: HTTPConnection) -> None:
        """Do nothing: the scheme only documents."""


class _Basic(HTTPBasic):
    async def __call__(self, request: HTTPConnection) -> None:
        """Do nothing: the scheme only documents."""


BEARER = _Bearer(scheme_name="HTTPBearer", description="A key")
BASIC = _Basic(scheme_name="HTTPBasic", description="The key as the user name, as Segment's SDKs send it")
CLIENT_KEY = _Bearer(
    scheme_name="ClientKey",
    description="A key with the scope `client`, which an app or web page may have, and the user's token in the header "
    f"`{USER_TOKEN_HEADER}`",
)
BEARER_OR_TOKEN = _Bearer(scheme_name="KeyOrInboxToken", description="A key, or a user's inbox token")


def keep_basic_for_segment(document: dict[str, Any]) -> None:
    """Name Basic authentication only where Segment's SDKs need it; it works everywhere.

    A generated client that may choose sends the last scheme, and one key is not a user name and a password.
    """
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation and "segment" not in operation["tags"]:
                operation["security"] = [one for one in operation["security"] if BASIC.scheme_name not in one]


def describe_scopes(document: dict[str, Any]) -> None:
    """Add the needed scopes to every operation's description; its `security` has them for programs."""
    for path in document["paths"].values():
        for operation in path.values():
            if words := _scope_description(operation.get("security", [])):
                operation["description"] = f"{operation.get('description', '')}\n\n{words}".strip()


def _scope_description(security: list[dict[str, list[str]]]) -> str | None:
    ways = {way: scopes for one in security for way, scopes in one.items()}
    by_client = ways.pop(CLIENT_KEY.scheme_name, None)
    scopes = next(iter(ways.values()), [])
    if not scopes:
        return None
    named = " and ".join(f"`{scope}`" for scope in scopes)
    possible = ["the inbox token of the user"] if BEARER_OR_TOKEN.scheme_name in ways else []
    possible += ["the user's token with a key with the scope `client`"] if by_client else []
    possible += [f"a key with the {'scope' if len(scopes) == 1 else 'scopes'} {named}"]
    return f"Needs {', or '.join(possible)}."
