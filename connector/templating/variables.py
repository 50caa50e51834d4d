"""The variables that a definition's templates use."""

from __future__ import annotations

from collections.abc import Iterator

from liquid.exceptions import LiquidError

from connector.rules.model.campaigns import Campaign, Card
from connector.templating.liquid_bounds import ENVIRONMENTS
from connector.templating.places import place_of
from connector.templating.templates import template_texts


def used_variables(definition: Campaign | Card) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the key of each template and the path of each variable in it, like ("user", "first_name").

    A path ends before a part that is computed.
    """
    for key, message, field, text in template_texts(definition):
        if "{" not in text:
            continue
        try:
            analysis = ENVIRONMENTS[place_of(message, field)].from_string(text).analyze()
        except (LiquidError, RecursionError):
            continue
        for uses in analysis.globals.values():
            for variable in uses:
                yield key, tuple(_plain_parts(variable.segments))


def _plain_parts(segments: object) -> Iterator[str]:
    for part in segments if isinstance(segments, list | tuple) else ():
        if not isinstance(part, str):
            return
        yield part
