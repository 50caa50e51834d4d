"""`docs/security.md` promises only what a test shows, and names every test of an attack."""

from __future__ import annotations

import re

from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()


def test_every_promise_names_tests_that_exist() -> None:
    """Each row of a table of promises has at least one test module."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", PAGE[PAGE.index("## Promises") : PAGE.index("## Not promised")], re.M)
    promises = [row for row in rows if row[0] != "promise"]
    assert len(promises) > 20
    for promise, shown_by in promises:
        modules = re.findall(r"`(tests/[a-z_/]+\.py)`", shown_by)
        assert modules, promise
        assert [module for module in modules if not (ROOT / module).is_file()] == [], promise


def test_every_test_of_an_attack_is_named() -> None:
    """Whoever adds a test to tests/security adds its promise to the page."""
    modules = {f"tests/security/{module.name}" for module in (ROOT / "tests" / "security").glob("test_*.py")}
    assert {module for module in modules if module not in PAGE} == {"tests/security/test_promises.py"}


def test_the_report_of_a_flaw_is_private() -> None:
    """SECURITY.md explains how to report, links the promises, and has no mail address."""
    page = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in page
    assert "docs/security.md" in page
    assert "@" not in page
