"""docs/campaigns.md lists every check of publishing."""

import re

from connector.rules.publishing.refusals import REFUSALS
from connector.rules.publishing.warnings import WARNINGS
from tests.support.repository import ROOT


def test_every_check_has_a_row() -> None:
    """P7, P8: the tables of refusals and warnings have the checks of the code, each once, in no other place."""
    text = (ROOT / "docs" / "campaigns.md").read_text()
    _, refused, warned = re.split(r"\| check \| (?:refuses|warns of) \|\n", text)
    for checks, table in ((REFUSALS, refused), (WARNINGS, warned)):
        rows = re.findall(r"^\| `(\w+)` \|", table.split("\n\n")[0], re.M)
        assert sorted(rows) == sorted(check.__name__ for check in checks)
