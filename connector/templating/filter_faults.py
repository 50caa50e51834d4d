"""Faults of filters, in words that quote no value: a value may be personal data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liquid import Token
from liquid.exceptions import FilterError, LiquidError, ResourceLimitError
from liquid.undefined import is_undefined

_KINDS = ((str, "a text"), (bool, "true or false"), (int | float, "a number"), (dict, "an object"))


class FilterFault(FilterError):
    """A filter of this project was not applicable; the message quotes no value."""

    def __init__(self, problem: str, token: Token | None = None) -> None:
        super().__init__(problem, token=token)


def call_filter(
    name: str, function: Callable[..., Any], token: Token | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Return the result of a filter. Raises FilterFault, or ResourceLimitError, with the place of the filter."""
    try:
        return function(*args, **kwargs)
    except FilterFault as fault:
        raise FilterFault(f"{name}: {fault.args[0]}", token) from None
    except ResourceLimitError:
        raise
    except Exception as error:  # a filter of the library raises whatever its calculation raises
        raise FilterFault(f"{name}: {_problem(error, function, args, kwargs)}", token) from None


def _problem(error: Exception, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    if not accepts(function, args, kwargs):
        return "has too few or too many arguments"
    if isinstance(error, LiquidError) and "divide by 0" in str(error.args[0]):
        return "can't divide by 0"
    kinds = [kind_of(value) for value in (*args, *kwargs.values())]
    return f"does not work on {kinds[0]}" + (f" with {' and '.join(kinds[1:])}" if kinds[1:] else "")


def accepts(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a filter takes these arguments, by their number and names."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def kind_of(value: Any) -> str:
    """Return the kind of a value in words for people."""
    if value is None or is_undefined(value):
        return "a missing value"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a list")
