"""Write the tables of docs/settings.md from the models of the settings: `make pages`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, SecretStr

from connector.settings.application import Settings
from connector.settings.durations import EARLIER_NAMES, Bounds, show_duration
from connector.settings.inventory import Setting, list_settings
from tests.support.repository import ROOT

PAGE = ROOT / "docs/settings.md"
BEGIN, END = "<!-- The rest of this section is generated: make pages. -->\n", "<!-- Here the generated part ends. -->\n"
_NAMES: dict[Any, str] = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`", Path: "path"}
_HEAD = "| variable | value | default | description | read by |\n|---|---|---|---|---|\n"


def generate_page(page: str) -> str:
    """Return the page with its generated part regenerated."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + "".join(_sections()) + END + after


def _sections() -> Iterable[str]:
    for section, settings in groupby(list_settings(Settings), key=lambda setting: setting.section):
        yield f"\n### {section.title}\n\n{_HEAD}{''.join(map(_row, settings))}"
    earlier = (f"| `{old.name}` | number of {old.unit}s | `{name}` |\n" for name, old in EARLIER_NAMES.items())
    yield "\n### Earlier names\n\nThey still work; setting both names is an error.\n\n"
    yield f"| variable | value | replaced by |\n|---|---|---|\n{''.join(earlier)}\n"


def _row(setting: Setting) -> str:
    cells = (f"`{setting.variable}`", _form(setting), _default(setting), setting.field.description, setting.read_by)
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"


def _form(setting: Setting) -> str:
    """Return how a value is written, with its bounds."""
    form = str(setting.fact("form") or _type(setting.field.annotation))
    return form + "".join(_limits([*setting.field.metadata, *_optional_metadata(setting.field.annotation)]))


def _type(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return _type(next(one for one in get_args(annotation) if one is not type(None)))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if hasattr(annotation, "__metadata__"):
        return _type(get_args(annotation)[0])
    if annotation is timedelta:
        return "duration"
    return "secret" if annotation is SecretStr else _NAMES[annotation]


def _optional_metadata(annotation: Any) -> list[Any]:
    """Return the constraints of an optional value, which are not those of its field."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return [one for part in parts for one in getattr(part, "__metadata__", ())]


def _limits(constraints: list[Any]) -> Iterable[str]:
    for one in constraints:
        match one:
            case Ge(ge=least):
                yield f", {least} or more"
            case Gt(gt=least):
                yield f", more than {least}"
            case Le(le=most):
                yield f", at most {most:.10g}"
            case Lt(lt=most):
                yield f", less than {most:.10g}"
            case AfterValidator(func=Bounds(least=least, most=most)):
                yield f", {show_duration(least)} or more" if least else ""
                yield f", at most {show_duration(most)}" if most else ""


def _default(setting: Setting) -> str:
    if told := setting.fact("default_text"):
        return str(told)
    value = setting.field.default
    match value:
        case None | []:
            return "none"
        case {}:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{show_duration(value)}`"
        case float():
            return f"`{value:g}`"
    return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(generate_page(PAGE.read_text()))
