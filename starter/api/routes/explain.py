"""`GET /v1/users/{id}/explain`: why a user did or did not get a message."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.requests.errors import ApiError
from starter.api.routes.follow_ups import Word
from starter.api.routes.users import UserId
from starter.explain.explain import UnknownCampaign, UnknownUser, explain_user
from starter.explain.explanation import Explanation

router = APIRouter(prefix="/v1/users", tags=["users"])


@router.get("/{id}/explain", dependencies=[Depends(needs(Scope.READ))])
async def explain(id: UserId, context: ContextHere, campaign: Word = None) -> Explanation:
    """Every decision about a user in order: what came in, what was looked at, what came of it and why.

    With `campaign`, of that one, also where nothing happened: the interaction that came nearest, and why it did not
    count. A repeat of an interaction leaves no decision. Attributes, consent and settings are those known now. At most
    the newest 1,000 decisions; `is_cut` says whether there are older ones. 410 where the user was erased.
    """
    try:
        return await explain_user(context, id, campaign)
    except (UnknownUser, UnknownCampaign) as error:
        raise ApiError(404, "not_found", str(error)) from None
