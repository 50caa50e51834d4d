"""Who may join two ids: the decision as a table."""

import pytest

from connector.rules.model.joining import IdStatus, JoinRefusal, decide_join

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
