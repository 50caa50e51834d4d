"""Read definitions of campaigns, cards and the workspace from YAML and JSON, reporting all faults at once.

Imports `rules` and `templating`.
"""

from connector.definitions.reading import (
    Definitions,
    parse_mapping,
    parse_mappings,
    parse_texts,
    parse_yaml,
    read_definitions,
)

__all__ = ["Definitions", "parse_mapping", "parse_mappings", "parse_texts", "parse_yaml", "read_definitions"]
