"""docs/interactions.md: every interaction has its row, and every row a test that is there."""

import ast
import re

import pytest

from connector.rules.model.conditions import REFINEMENTS, REQUIRED_REFINEMENT
from connector.rules.model.interactions import InteractionType
from tests.support.repository import DOCS

ROW = re.compile(r"^\| `(\w+)` \| \*\*(.+?)\*\*.* \| (.*?) ?\| \[(test_\w+)\]\((\S+)\) \|$", re.MULTILINE)
ROWS = ROW.findall((DOCS / "interactions.md").read_text())
MAKERS = {"inbox", "link", "pixel", "app's report", "conversion", "send", "delivery report", "enrolment"}


def test_each_interaction_has_one_row() -> None:
    """Design 8: all 21, in their order, and no other."""
    assert [name for name, *_ in ROWS] == [kind.value for kind in InteractionType]


@pytest.mark.parametrize(("name", "maker", "refined", "test", "file"), ROWS, ids=[row[0] for row in ROWS])
def test_row_is_true(name: str, maker: str, refined: str, test: str, file: str) -> None:
    """M1: what refines it is what the conditions know; its test has its name, and is there."""
    kind = InteractionType(name)
    told = set(re.findall(r"`(\w+)`", refined))
    assert told == {word for word, kinds in REFINEMENTS.items() if kind in kinds}
    assert ("always" in refined) == (kind in REQUIRED_REFINEMENT)
    assert maker in MAKERS
    assert test == f"test_{name}"
    defined = ast.parse((DOCS / file).read_text()).body
    assert test in {one.name for one in defined if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
