"""Describe the files that people write as JSON Schema (draft 2020-12), generated from the models that read them."""

from connector.json_schema.document import SCHEMA_FILE, SCHEMA_KINDS, SchemaKind, definition_schema, schema_text

__all__ = ["SCHEMA_FILE", "SCHEMA_KINDS", "SchemaKind", "definition_schema", "schema_text"]
