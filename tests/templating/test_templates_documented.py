"""docs/templates.md: its variables are those of the code, and its examples are true."""

from __future__ import annotations

import re

import pytest

from connector.inbox.reading import render_card
from connector.rules.model.campaigns import Card, parse_definition
from connector.templating.liquid_bounds import PLAIN
from connector.templating.templates import VARIABLES
from tests.support.repository import DOCS
from tests.support.template_sample import MOMENT, USER, sample_variables
from tests.support.templates import render_text

PAGE = (DOCS / "templates.md").read_text()


def _cells(row: str) -> list[str]:
    return [cell.strip().strip("`").replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _table(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [_cells(row) for row in section.splitlines() if row.startswith("|")][2:]


def test_variables_are_those_of_the_code() -> None:
    """The table has every key of every variable, and no other; attributes and properties are also there by name."""
    chosen = {"tier", "sizes", "alias"}
    keys = {f"{name}.{key}" for name, values in sample_variables().items() for key in values if key not in chosen}
    assert {row[0] for row in _table("Variables")} == keys | {"user.NAME", "event.NAME"}
    assert set(sample_variables()) == set(VARIABLES)


@pytest.mark.parametrize(("example", "result"), [row[-2:] for row in [*_table("Variables"), *_table("Filters")]])
def test_example(example: str, result: str) -> None:
    """Each example gives its result."""
    assert render_text(example, sample_variables(), MOMENT) == result


def test_filters_exist() -> None:
    """The filters of the table are known."""
    assert {row[0] for row in _table("Filters")} <= set(PLAIN.filters)


def test_card_has_no_trigger() -> None:
    """The variables that the table lists as missing in cards are missing."""
    names = [row[0] for row in _table("Variables") if "in cards" in row[3]]
    body = "".join("{{ " + name + " }}" for name in names)
    card = parse_definition({"card": "k", "title": "{{ user.first_name }} {{ campaign.name }}", "body": f"[{body}]"})
    assert isinstance(card, Card)
    assert len(names) == 5
    assert render_card(card, USER, MOMENT) == {"title": "Ada k", "body": "[]"}
