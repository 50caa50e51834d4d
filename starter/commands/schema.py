"""`connector schema`: prints the JSON Schema of definitions."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.json_schema import SCHEMA_KINDS, SchemaKind, schema_text
from connector.rules.model.nearest import suggestion
from starter.terminal import print_lines


def schema(
    kind: Annotated[str, typer.Argument(help="campaign, card, workspace or all.", show_default=True)] = "all",
) -> None:
    """Print the JSON Schema of YAML files, by which editors complete and check them.

    The schema is draft 2020-12, has a description and an example of every key, and belongs to this version of the
    program. An editor with the YAML language server uses it if the file begins with the line

      # yaml-language-server: $schema=connector.schema.json

    Examples:

      connector schema > campaigns/connector.schema.json

      connector schema workspace
    """
    chosen: SchemaKind | None = next((one for one in SCHEMA_KINDS if one == kind), None)
    if chosen is None:
        right = suggestion(kind, SCHEMA_KINDS, f"write one of {', '.join(SCHEMA_KINDS)}")
        raise typer.BadParameter(f"there is no schema of {kind!r}; {right}")
    print_lines(schema_text(chosen).rstrip())
