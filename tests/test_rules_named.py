"""Each rule of the behaviour has a test whose docstring names it by its number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LAST = {"P": 10, "M": 9, "T": 5, "D": 5, "X": 4, "W": 7, "A": 2, "C": 1}
"""By letter: publishing, matching, trigger, delay, exceptions, "at the due time", audience and conversions."""

RULES = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]
NAME = re.compile(rf"\b[{''.join(LAST)}]\d+\b")
RANGE = re.compile(rf"\b([{''.join(LAST)}])(\d+) to \1?(\d+)\b")


def _named(docstring: str) -> set[str]:
    """The rules that a docstring names, "X1 to X4" being four."""
    spans = (range(int(first), int(last) + 1) for _, first, last in RANGE.findall(docstring))
    letters = (letter for letter, _, _ in RANGE.findall(docstring))
    between = {f"{letter}{number}" for letter, span in zip(letters, spans, strict=True) for number in span}
    return between | set(NAME.findall(docstring))


def _docstrings_of_tests(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield ast.get_docstring(node) or ""


@pytest.fixture(scope="module")
def named() -> dict[str, set[str]]:
    """By rule, the files with a test that names it."""
    found: dict[str, set[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for docstring in _docstrings_of_tests(file):
            for rule in _named(docstring):
                found.setdefault(rule, set()).add(file.relative_to(TESTS).as_posix())
    return found


@pytest.mark.parametrize("rule", RULES)
def test_a_test_names_the_rule(rule: str, named: dict[str, set[str]]) -> None:
    """Whoever changes a rule finds its tests by its number."""
    assert named.get(rule), f"no test's docstring names {rule}: write one that begins with it"


def test_only_rules_that_there_are_are_named(named: dict[str, set[str]]) -> None:
    """A number that the behaviour does not have is a slip of the pen."""
    assert {rule: files for rule, files in named.items() if rule not in RULES} == {}


@pytest.mark.parametrize(
    ("docstring", "rules"),
    [("P1: it does.", {"P1"}), ("X1 to X3, T5", {"X1", "X2", "X3", "T5"}), ("AP1, P1a", set()), ("", set())],
)
def test_how_a_rule_is_named(docstring: str, rules: set[str]) -> None:
    """By its letter and number, standing by itself."""
    assert _named(docstring) == rules
