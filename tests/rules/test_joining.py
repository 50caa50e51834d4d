"""Who may join two ids: the decision as a table."""

import pytest

from connector.rules.model.joining import IdPair, IdStatus, JoinRefusal, decide_join, ids_to_split, is_replaced

U, A, N, E = IdStatus.UNSEEN, IdStatus.ANONYMOUS, IdStatus.IDENTIFIED, IdStatus.ERASED

WITH_INGEST = {
    (A, A): None, (A, N): None, (A, U): JoinRefusal.UNSEEN,
    (N, A): JoinRefusal.IDENTIFIED, (N, N): JoinRefusal.IDENTIFIED, (N, U): JoinRefusal.UNSEEN,
    (U, A): JoinRefusal.UNSEEN, (U, N): JoinRefusal.UNSEEN, (U, U): JoinRefusal.UNSEEN,
}  # fmt: skip
"""By (previous id, id in use): with `ingest` alone, only an anonymous id is joined, and into someone."""


@pytest.mark.parametrize(("previous", "current"), WITH_INGEST)
def test_who_may_join(previous: IdStatus, current: IdStatus) -> None:
    """The table with `ingest`; with `manage` everything but an erased user."""
    assert decide_join(previous, current, may_join_identified=False) == WITH_INGEST[previous, current]
    assert decide_join(previous, current, may_join_identified=True) is None


@pytest.mark.parametrize("other", IdStatus)
@pytest.mark.parametrize("may_join_identified", [False, True])
def test_no_caller_joins_an_erased_user(other: IdStatus, may_join_identified: bool) -> None:
    """Guarantee 8: neither as the previous id nor as the one in use."""
    for pair in ((E, other), (other, E)):
        assert decide_join(*pair, may_join_identified=may_join_identified) is JoinRefusal.ERASED


@pytest.mark.parametrize(
    ("previous", "current", "anonymous", "replaced"),
    [
        ("visitor", "user", {"visitor"}, True),
        ("old", "new", set(), True),
        ("visitor", "other-visitor", {"visitor", "other-visitor"}, True),
        ("user", "visitor", {"visitor"}, False),
        ("user", "user", set(), False),
    ],
)
def test_which_id_the_user_is_shown_by(previous: str, current: str, anonymous: set[str], replaced: bool) -> None:
    """The id in use replaces the previous one, but an anonymous id never replaces a user's own."""
    assert is_replaced(IdPair(previous, current), anonymous) is replaced


@pytest.mark.parametrize(
    ("used", "members", "split"),
    [
        ({"bob": "k1"}, {"k1": {"bob", "mallory"}}, ["bob"]),
        ({"visitor": "k1"}, {"k1": {"visitor"}}, []),
        ({"a": "k1", "b": "k1"}, {"k1": {"a", "b"}}, ["a"]),
        ({"a": "k1", "b": "k2"}, {"k1": {"a", "u"}, "k2": {"b"}}, ["a"]),
    ],
)
def test_which_ids_begin_a_user_of_their_own(
    used: dict[str, str], members: dict[str, set[str]], split: list[str]
) -> None:
    """Each that shares its user with another id; the last one that is left keeps the user."""
    assert ids_to_split(used, members) == split
