"""Values that routes write as plain JSON, described by models of the OpenAPI document.

Pydantic cannot refer to a model that it generates in another mode, so the names are resolved in the whole document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import WithJsonSchema

PLACE = "#/components/schemas/{model}"
_MARK = "x-models"


def described_by(*models: str) -> WithJsonSchema:
    """Return the annotation of a JSON value that has the schema of one of these models."""
    return WithJsonSchema({_MARK: list(models)})


def refer_to(*models: str) -> dict[str, Any]:
    """Return the schema of a value that is one of these models."""
    schemas = [{"$ref": PLACE.format(model=model)} for model in models]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def resolve_models(document: Any) -> Any:
    """Return a document, or a part of one, with a reference in each place that `described_by` marked."""
    if isinstance(document, Mapping):
        if _MARK in document:
            kept = {key: value for key, value in document.items() if key in ("description", "default")}
            return refer_to(*document[_MARK]) | kept
        return {key: resolve_models(value) for key, value in document.items()}
    return [resolve_models(one) for one in document] if isinstance(document, list) else document
