"""Definitions of campaigns, cards and the workspace: from YAML files and from JSON, with every fault at once."""

from connector.definitions.reading import Definitions, parse_mapping, parse_yaml, read_definitions

__all__ = ["Definitions", "parse_mapping", "parse_yaml", "read_definitions"]
