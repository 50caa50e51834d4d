"""docs/reference.md: generated, and with everything that there is."""

from pydantic import BaseModel

from connector.json_schema import definition_schema
from connector.templating.liquid_bounds import PLAIN
from tests.support.filter_texts import FILTERS, LEXED_TAGS, NO_TAGS, TAGS
from tests.support.reference_page import PAGE, SECTIONS, render_page


def test_the_page_is_generated() -> None:
    """`make pages` writes it."""
    assert PAGE.read_text() == render_page()


def test_every_mapping_has_a_section() -> None:
    """The models of definitions, each once; a mapping is a schema with keys."""
    models: list[type[BaseModel]] = [model for section in SECTIONS.values() for model in section]
    names = [model.__name__ for model in models]
    definitions = definition_schema()["$defs"].items()
    mappings = [n for n, d in definitions if any("properties" in form for form in (d, *d.get("anyOf", ())))]
    assert sorted(names) == sorted(mappings)


def test_every_filter_and_tag_is_there() -> None:
    """Those of the environment in which messages are rendered, and no other."""
    assert set(FILTERS) == set(PLAIN.filters)
    assert set(TAGS) == set(PLAIN.tags) - NO_TAGS | LEXED_TAGS
