"""Who may join two ids into one user: one decision for every route (guarantee 10).

An id that services have used only as `anonymousId` names a visitor, so whoever may ingest may join it into a user. Any
other id may be a person who signed in: joining two of them gives one the other's inbox and erases both together. If an
id that no request has used yet were joined, whoever signs up with it later would be this user.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from connector.rules.model.audit import Actor


class IdStatus(StrEnum):
    """What is known of an id. `ANONYMOUS`: no id of its user was ever used but as an anonymous one."""

    UNSEEN = "unseen"
    ANONYMOUS = "anonymous"
    IDENTIFIED = "identified"
    ERASED = "erased"


class JoinRefusal(StrEnum):
    """Why a pair of ids is not joined: `UNSEEN` and `IDENTIFIED` are open to a key with `manage`.

    `TWO_HISTORIES`: both did or received something, and histories are not merged. `TOO_LARGE`: the two descriptions
    together would exceed the limit of one.
    """

    ERASED = "erased"
    UNSEEN = "unseen"
    IDENTIFIED = "identified"
    TWO_HISTORIES = "two_histories"
    TOO_LARGE = "too_large"


JoinRoute = Literal["alias", "batch", "import"]
NEEDS_MANAGE = frozenset({JoinRefusal.UNSEEN, JoinRefusal.IDENTIFIED})
"""The refusals that a caller with `manage` does not meet."""


@dataclass(frozen=True)
class IdPair:
    """Two ids of one user.

    Args:
        previous: the id that the user had before.
        id: the id in use now, by which the user is shown.
        is_anonymous: whether the call names `id` as `anonymousId`; as `userId` it is identified by the call.
    """

    previous: str
    id: str
    is_anonymous: bool = False


@dataclass(frozen=True)
class Joiner:
    """Who joins ids.

    Args:
        may_join_identified: whether the caller has `manage`.
        route: by what the join is reported: `alias`, `batch` or `import`.
    """

    actor: Actor
    may_join_identified: bool
    route: JoinRoute


def decide_join(previous: IdStatus, current: IdStatus, *, may_join_identified: bool) -> JoinRefusal | None:
    """Return why the id `previous` must not be joined into the user of `current`; None: it may.

    Args:
        previous: of the id that is replaced.
        current: of the id in use now; one that the same call uses as `userId` is identified by that.
        may_join_identified: whether the caller has `manage`.
    """
    if IdStatus.ERASED in (previous, current):
        return JoinRefusal.ERASED
    if may_join_identified:
        return None
    if IdStatus.UNSEEN in (previous, current):
        return JoinRefusal.UNSEEN
    return None if previous is IdStatus.ANONYMOUS else JoinRefusal.IDENTIFIED


def is_replaced(pair: IdPair, anonymous: Collection[str]) -> bool:
    """Return whether a joined user is no longer shown by the previous id of the pair.

    An anonymous id never replaces a user's own: a visitor's reports would decide by which id the user is shown.

    Args:
        anonymous: those of the ids that are anonymous.
    """
    is_own_before_anonymous = pair.id in anonymous and pair.previous not in anonymous
    return pair.previous != pair.id and not is_own_before_anonymous


def ids_to_split(user_keys: Mapping[str, str], members: Mapping[str, Collection[str]]) -> list[str]:
    """Return which anonymous ids begin a new user when services use them as users' own: those that share their user.

    So an id that was joined into a user before its owner signed up never reaches that user.

    Args:
        user_keys: the surrogate keys of the users whom the ids name until now.
        members: all ids of these users, by key; the last one that is left keeps the user.
    """
    left, split = {key: set(ids) for key, ids in members.items()}, []
    for id, key in sorted(user_keys.items()):
        if len(left[key]) > 1:
            left[key].remove(id)
            split.append(id)
    return split
