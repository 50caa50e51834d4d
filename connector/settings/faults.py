"""Say what is wrong with the value of a setting: the variable, what was expected, and the value unless it is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from connector.rules.model.printable import escape_line
from connector.rules.model.validation import describe_problem, describe_secretly
from connector.rules.model.values import show_value
from connector.settings.durations import show_duration
from connector.settings.environment import Unusable
from connector.settings.inventory import Setting

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]*@")
MASK = "***"


def hide_credentials(text: str) -> str:
    """Return the text with the user names and passwords of its URLs masked."""
    return _CREDENTIALS.sub(f"{MASK}@", text)


def describe_faults(
    error: ValidationError, settings: Mapping[str, Setting], environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each fault of a section.

    Args:
        settings: the settings of the section by their fields.
    """
    for fault in error.errors(include_url=False):
        if not fault["loc"]:
            yield from describe_problem(fault).split("\n")
            continue
        value, setting = fault["input"], settings[str(fault["loc"][0])]
        if isinstance(value, Unusable):
            yield escape_line(value.why if value.variable in value.why else f"{value.variable}: {value.why}")
            continue
        variable = setting.find_variable(environment) or setting.variable
        yield escape_line(f"{variable}{_place(fault['loc'][1:], setting.is_secret)}: {_problem(fault, setting)}")


def _place(steps: tuple[int | str, ...], secret: bool) -> str:
    """Return the place in a list or mapping; only positions if secrets are in it, which may be its keys by mistake."""
    kept = [step for step in steps if isinstance(step, int)] if secret else [s for s in steps if s != "[key]"]
    return "".join(f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in kept)


def _problem(fault: Any, setting: Setting) -> str:
    if setting.is_secret or setting.fact("hidden"):
        return describe_secretly(fault)
    value = fault["input"]
    problem, shown = (
        describe_problem(fault),
        show_value(show_duration(value) if isinstance(value, timedelta) else value),
    )
    return hide_credentials(problem if shown in problem else f"{problem}, not {shown}")
