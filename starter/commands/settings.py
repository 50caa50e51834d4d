"""`connector settings`: prints the settings that hold, and where each comes from."""

from __future__ import annotations

import json
import os
from typing import Any

import typer

from connector.app.configuration import read_settings
from connector.settings.faults import MASK
from connector.settings.report import SettingInForce, report_settings
from connector.settings.temporal_names import find_temporal_slips, list_temporal_variables
from starter.commands.options import DataOption, JsonOption
from starter.terminal import format_table, print_json, print_lines, print_warnings


def settings(context: typer.Context, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show every setting that holds here, and whether it comes from the environment, a file, an option or a default.

    Secrets are masked. Wrong and unknown variables are listed, all at once, with exit code 1: run it with the
    environment of a worker or of the API before you deploy that.

    Examples:

      connector settings

      CONNECTOR_SMTP_HOST=mail.shop.example connector settings --json
    """
    source = context.get_parameter_source("data")
    options = {"CONNECTOR_DATA": "--data"} if source is not None and source.name == "COMMANDLINE" else {}
    reported = report_settings(read_settings(data), os.environ, options)
    temporal = dict(list_temporal_variables(os.environ, MASK))
    print_warnings(find_temporal_slips(os.environ))
    if as_json:
        return print_json({"settings": [_view(one) for one in reported], "temporal": temporal})
    rows = [*map(_row, reported), *((name, value, "environment") for name, value in temporal.items())]
    return print_lines(format_table(("setting", "value", "from"), rows))


def _view(one: SettingInForce) -> dict[str, Any]:
    return {
        "name": one.setting.variable,
        "value": one.value,
        "from": one.origin,
        "given_by": one.given_by,
        "secret": one.setting.is_secret,
    }


def _row(one: SettingInForce) -> tuple[object, ...]:
    value = one.value if one.value is None or isinstance(one.value, str) else json.dumps(one.value, ensure_ascii=False)
    origin = one.origin if one.given_by in (None, one.setting.variable) else f"{one.origin}: {one.given_by}"
    return one.setting.variable, value, origin
