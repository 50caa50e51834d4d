"""No sentence that a page shows asks people to type a command."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from starter.console.elements.page_words import in_page_words
from tests.support.repository import ROOT

_FOLDERS = ("connector/rules", "starter/operations", "starter/explain", "starter/console")
_NOT_ON_PAGES = {
    "starter/operations/simulation.py": "no page simulates",
    "starter/console/sign_in.py": "it is shown before any page",
}


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module, with X for what is filled in; docstrings are none."""
    for node in ast.walk(tree):
        for child in () if isinstance(node, ast.Expr | ast.JoinedStr) else ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child.value.replace("{id}", "X")
            if isinstance(child, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in child.values)


def _sentences() -> Iterator[tuple[str, str]]:
    for folder in _FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            source = path.read_text()
            if "`connector " in source and name not in _NOT_ON_PAGES and path.name != "page_words.py":
                yield from ((name, text) for text in _texts(ast.parse(source)) if "`connector " in text)


@pytest.mark.parametrize(("module", "sentence"), list(_sentences()))
def test_no_sentence_on_a_page_names_a_command(module: str, sentence: str) -> None:
    """Every sentence of an operation that names a command has words for pages."""
    assert "`connector " not in in_page_words(sentence), module
