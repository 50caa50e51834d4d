"""Check the templates of a definition when it is applied: size, syntax, filters, tags and variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from liquid import BoundTemplate, RenderContext
from liquid.builtin.expressions import FilteredExpression, StringLiteral
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.exceptions import LiquidError
from pydantic import BaseModel

from connector.rules.model.campaigns import Campaign, Card
from connector.rules.model.errors import MAX_FAULTS, Fault
from connector.rules.model.messages import MAX_BODY_CHARACTERS, MAX_SUBJECT_OCTETS, Email, Push, Sms
from connector.rules.model.nearest import suggestion
from connector.rules.model.zones import check_zone
from connector.templating.comparisons import expressions_of
from connector.templating.error_lines import describe_error, line_at, line_of
from connector.templating.filter_faults import accepts
from connector.templating.liquid_bounds import ENVIRONMENTS, PLAIN, Place
from connector.templating.places import place_of
from connector.templating.templates import VARIABLES, template_texts

_ZONE_AT = {"time_zone": 0, "date": 1}
"""The position of the time zone among the arguments of a filter."""
MAX_TEMPLATE_BYTES = 256 * 1024
"""The limit of one template in UTF-8."""


def check_templates(definition: Campaign | Card) -> list[Fault]:
    """Return the faults in a definition's templates: size, broken syntax, unknown filters, tags and variables.

    A text without markup must not be longer than its channel sends, because no such message could go out (P7).

    A fault's key is the field's dotted path; its problem names the campaign and the line within the template.
    """
    faults = (
        Fault(key, f"in {definition.id}, line {line} of the template: {problem}")
        for key, message, field, text in template_texts(definition)
        for line, problem in (*_problems(text, place_of(message, field)), *_length_problems(message, field, text))
    )
    return list(islice(faults, MAX_FAULTS))


def _problems(text: str, place: Place) -> Iterator[tuple[int, str]]:
    """Yield the problems of one template with their lines."""
    if (size := len(text.encode(errors="surrogatepass"))) > MAX_TEMPLATE_BYTES:
        yield 1, f"has {size} bytes; a template has at most {MAX_TEMPLATE_BYTES}"
        return
    try:
        template = ENVIRONMENTS[place].from_string(text)  # not cached: most checks are for one draft
        analysis = template.analyze()
    except (LiquidError, RecursionError) as error:
        yield line_of(error, text), describe_error(error)
        return
    for name, uses in analysis.globals.items():
        if name not in VARIABLES:
            yield line_at(text, uses[0].span.index), f"unknown variable {uses[0]}; {_advice_on_variable(name)}"
    for name, spans in analysis.filters.items():
        if name not in PLAIN.filters:
            yield line_at(text, spans[0].index), f"unknown filter {name}; {_advice(name, sorted(PLAIN.filters))}"
    for used in _filters_of(template):
        if problem := _problem_of_arguments(used, RenderContext(template)):
            yield line_at(text, used.token.start_index), f"{used.name}: {problem}"


def _filters_of(template: BoundTemplate) -> Iterator[Filter]:
    """Yield each use of a known filter."""
    for expression in expressions_of(template):
        if isinstance(expression, FilteredExpression):
            yield from (used for used in expression.filters or () if used.name in PLAIN.filters)


def _problem_of_arguments(used: Filter, context: RenderContext) -> str | None:
    """Return why a filter would fail for every user: by the number of its arguments, or a zone that there is not."""
    given = [argument.value for argument in used.args if isinstance(argument, PositionalArgument)]
    named = {argument.name: argument.value for argument in used.args if isinstance(argument, KeywordArgument)}
    if not accepts(context.filter(used.name, token=None), [None, *given], named):
        return "has too few or too many arguments"
    zone = named.get("time_zone") or next(iter(given[_ZONE_AT[used.name] :]), None) if used.name in _ZONE_AT else None
    try:
        check_zone(zone.value or "UTC") if isinstance(zone, StringLiteral) else None
    except ValueError as error:
        return str(error)
    return None


def _length_problems(message: BaseModel, field: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the problem of a text that is too long as it stands; with markup only the rendered text has a length."""
    if "{" in text:
        return
    text = text.strip()
    octets = len(text.encode(errors="surrogatepass"))
    if isinstance(message, Email) and field == "subject" and octets > MAX_SUBJECT_OCTETS:
        yield 1, f"has {octets} octets; a subject has at most {MAX_SUBJECT_OCTETS}"
    if isinstance(message, Sms | Push) and field in ("title", "body") and len(text) > MAX_BODY_CHARACTERS:
        yield 1, f"has {len(text)} characters; this text has at most {MAX_BODY_CHARACTERS}"


def _advice_on_variable(name: str) -> str:
    """Return advice on an unknown variable; what is known of a user is a part of `user`."""
    return suggestion(name, VARIABLES, f"known are {', '.join(VARIABLES)}; for what is known of a user, user.{name}")


def _advice(name: str, known: Sequence[str]) -> str:
    """Return advice on an unknown name: the nearest known name, else all of them."""
    return suggestion(name, known, f"known are {', '.join(known)}")
