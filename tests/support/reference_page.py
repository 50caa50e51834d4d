"""Write docs/reference.md from the models, the templates' filters and the rules' codes: `make pages`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from connector.json_schema import definition_schema, forms
from connector.json_schema.texts import key_text
from connector.rules.explaining.interaction_words import INTERACTION_WORDS
from connector.rules.explaining.wording import REASON_TEXTS, STATE_TEXTS
from connector.rules.model import campaigns, conditions, messages, predicates, schedules
from connector.rules.model.conditions import REFINEMENTS, REQUIRED_REFINEMENT
from connector.rules.model.interactions import CARD_INTERACTIONS, LAUNCH_TIME, InteractionType
from tests.support.filter_texts import FILTERS, TAGS
from tests.support.repository import DOCS
from tests.support.template_sample import MOMENT, sample_variables
from tests.support.templates import render_text

PAGE = DOCS / "reference.md"

SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "A campaign": (campaigns.Campaign,),
    "A card": (campaigns.Card,),
    "The workspace": (campaigns.Workspace,),
    "`frequency_caps`": (campaigns.FrequencyCap, campaigns.PerDays),
    "`delivery`": (campaigns.ActionBased, campaigns.Scheduled, campaigns.External),
    "`send`": (schedules.SendAt,),
    "Triggers and exceptions": (conditions.InteractionCondition, conditions.EventCondition),
    "`delay`": (schedules.After, schedules.Next, schedules.InDays),
    "`time_of_day`": (schedules.TimeOfDay,),
    "`quiet_hours`": (schedules.QuietHours,),
    "`eligible_again`": (schedules.EligibleAfter,),
    "`audience`": (predicates.All, predicates.Any_, predicates.Not, predicates.Interacted, predicates.Did),
    "Attributes and operators": (predicates.AttributePredicate,),
    "`interacted`": (predicates.PastInteraction,),
    "`did`": (predicates.PastEvent,),
    "`conversions`": (campaigns.Conversion,),
    "`variants`": (campaigns.Variant,),
    "`messages`": (messages.Messages,),
    "`email`": (messages.Email,),
    "`sms`": (messages.Sms,),
    "`push`": (messages.Push,),
    "`webhook`": (messages.Webhook,),
    "`in_app_message`": (messages.InAppMessage,),
    "`content_card`": (messages.ContentCard,),
    "`news_feed_card`": (messages.NewsFeedCard,),
    "`buttons`": (messages.Button,),
    "`pages`": (messages.Page,),
}
"""The mappings of definitions, in the order in which people write them."""

_HEAD = """\
# Reference

This page lists every key, value, variable, filter and code, so that you can look up what you may write and what an
answer means. It is generated from the code (`make pages`).

[Writing campaigns](campaigns.md) explains how the keys work together, [writing templates](templates.md) what templates
do with values. `connector schema` prints the keys for editors, as JSON Schema.

| value | written as |
|---|---|
| text | text; in quotes if it has a colon, a `#` or special characters at its beginning |
| id | up to 128 letters, digits, dots, dashes and underscores, a letter or digit first |
| duration | `N seconds`, `minutes`, `hours`, `days` or `weeks` |
| time of day | `"HH:MM"`, in quotes |
| time | with its zone: `2026-04-01T09:00:00+02:00` |
| template | a text with [variables](#variables) and [filters](#filters) |
"""


def render_page() -> str:
    """Return the page docs/reference.md."""
    parts = [_HEAD, "\n## Keys\n", *map(_section, SECTIONS.items()), "\n## The 21 interactions\n\n", _interactions()]
    parts += ["\n## Variables\n\n", _variables(), "\n## Filters\n\n", _filters(), "\n## Tags\n\n", _tags()]
    parts += ["\n## States of a follow-up\n\n", _codes("state", STATE_TEXTS.items())]
    parts += ["\n## Reasons\n\n", _codes("reason", REASON_TEXTS.items())]
    return "".join(parts)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _section(section: tuple[str, tuple[type[BaseModel], ...]]) -> str:
    heading, models = section
    return f"\n### {heading}\n{''.join(map(_mapping, models))}"


def _mapping(model: type[BaseModel]) -> str:
    described = definition_schema()["$defs"][model.__name__]
    schema = next((one for one in described.get("anyOf", ()) if one.get("type") == "object"), described)
    note = " It may be given by its id alone." if schema is not described else ""
    rows = (_row(model, key, value, key in schema.get("required", ())) for key, value in schema["properties"].items())
    table = _table(("key", "value", "default", "meaning", "example"), rows)
    return f"\n{schema['description']}{note}\n\n{table}"


def _row(model: type[BaseModel], key: str, schema: dict[str, Any], is_required: bool) -> tuple[str, ...]:
    text = key_text(model, key)
    default = "required" if is_required else _code(_yaml(schema["default"])) if "default" in schema else "none"
    return f"`{key}`", _kind(schema), default, text.meaning, _code(_yaml(text.examples[0]))


def _yaml(value: Any) -> str:
    """Return a value as YAML within one line."""
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000).strip()
    return value if isinstance(value, str) else json.dumps(value)


def _kind(schema: dict[str, Any]) -> str:
    """Return how a value is written."""
    choices = [one for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())) if one != {"type": "null"}]
    if choices:
        kinds = dict.fromkeys(map(_kind, choices))
        return "`true` or `false`" if schema.get("anyOf") == forms.FLAG["anyOf"] else " or ".join(kinds)
    if place := schema.get("$ref"):
        return _kind_of_reference(place.rpartition("/")[2])
    if "enum" in schema:
        return "an IANA name" if len(schema["enum"]) > 30 else ", ".join(_code(str(one)) for one in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    return _KINDS.get(schema.get("patternErrorMessage", ""), "") or _kind_of_type(schema)


_KINDS = {
    forms.duration()["patternErrorMessage"]: "duration",
    forms.CLOCK["patternErrorMessage"]: "time of day",
    forms.INSTANT["patternErrorMessage"]: "time",
    forms.LOCAL_MOMENT["patternErrorMessage"]: '`"YYYY-MM-DD HH:MM"`',
    "write up to 128 letters, digits, dots, hyphens and underscores": "id",
}


def _kind_of_reference(name: str) -> str:
    if name == InteractionType.__name__:
        return "[interaction](#the-21-interactions)"
    heading = next(heading for heading, models in SECTIONS.items() if name in {one.__name__ for one in models})
    anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
    return f"[{heading.replace('`', '').lower()}](#{anchor})"


def _kind_of_type(schema: dict[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            items = _kind(schema["items"]) if "items" in schema else "values"
            return f"list of {items}"
        case "integer":
            bounds = [
                f"{word} {schema[name]}" for name, word in (("minimum", "from"), ("maximum", "to")) if name in schema
            ]
            return " ".join(["whole number", *bounds])
        case "object":
            return "mapping"
        case "string":
            return "template" if schema.get("maxLength") == 1_000_000 else "text"
    return "any value"


def _interactions() -> str:
    rows = ((f"`{kind}`", INTERACTION_WORDS[kind], _refined(kind), _target(kind)) for kind in InteractionType)
    page = "[The 21 interactions](interactions.md) says what makes each of them.\n\n"
    return page + _table(("interaction", "somebody …", "refined by", "notes"), rows)


def _refined(kind: InteractionType) -> str:
    names = (name for name, kinds in REFINEMENTS.items() if kind in kinds)
    return ", ".join(f"`{name}`{', always' if REQUIRED_REFINEMENT.get(kind) == name else ''}" for name in names)


def _target(kind: InteractionType) -> str:
    notes = ["of a campaign or a card"] if kind in CARD_INTERACTIONS else []
    notes += ["happens at the launch: publish the follow-on first"] if kind in LAUNCH_TIME else []
    return "; ".join(notes)


def _variables() -> str:
    """Return the names, types and contents in docs/templates.md, which a test compares with the code."""
    section = (DOCS / "templates.md").read_text().split("\n## Variables\n")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return _table(cells[0][:4], [row[:4] for row in cells[2:]])


def _filters() -> str:
    variables = sample_variables()
    variables["user"] = {**variables["user"], "orders": [{"sku": "A"}, {"sku": "B"}]}
    rows = (
        (f"`{name}`", meaning, _code(example), _code(render_text(example, variables, MOMENT)))
        for name, (meaning, example) in FILTERS.items()
    )
    user = "[the user of these variables](templates.md#variables), with `orders: [{sku: A}, {sku: B}]`"
    return f"The examples are about {user}.\n\n" + _table(("filter", "writes", "example", "result"), rows)


def _tags() -> str:
    return _table(("tag", "meaning"), ((f"`{name}`", meaning) for name, meaning in TAGS.items()))


def _codes(word: str, texts: Iterable[tuple[str, str]]) -> str:
    return _table((word, "meaning"), ((f"`{code}`", text) for code, text in texts))


if __name__ == "__main__":
    PAGE.write_text(render_page())
