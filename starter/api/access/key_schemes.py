"""The ways in that OpenAPI tells of. `scopes` reads the header itself, to tell its faults in our shape.

Annotations are no texts here: FastAPI does not look up names for the methods of an object.
"""

from typing import Any

from fastapi.security import HTTPBasic, HTTPBearer
from starlette.requests import HTTPConnection


class _Bearer(HTTPBearer):
    async def __call__(self, request: HTTPConnection) -> None:
        """Nothing is read here."""


class _Basic(HTTPBasic):
    async def __call__(self, request: HTTPConnection) -> None:
        """Nor here."""


BEARER = _Bearer(scheme_name="HTTPBearer", description="A key")
BASIC = _Basic(scheme_name="HTTPBasic", description="The key as the user name, as Segment's SDKs send it")
BEARER_OR_TOKEN = _Bearer(scheme_name="KeyOrInboxToken", description="A key, or a user's inbox token")


def tell_scopes(document: dict[str, Any]) -> None:
    """Say in every operation's description which scopes a key needs; its `security` names them for programs."""
    for path in document["paths"].values():
        for operation in path.values():
            if words := _words(operation.get("security", [])):
                operation["description"] = f"{operation.get('description', '')}\n\n{words}".strip()


def _words(security: list[dict[str, list[str]]]) -> str | None:
    ways = {way: scopes for one in security for way, scopes in one.items()}
    scopes = next(iter(ways.values()), [])
    if not scopes:
        return None
    named = " and ".join(f"`{scope}`" for scope in scopes)
    key = f"a key with the {'scope' if len(scopes) == 1 else 'scopes'} {named}"
    return f"Needs {'the inbox token of the user, or ' if BEARER_OR_TOKEN.scheme_name in ways else ''}{key}."
