"""The OpenAPI document: bodies are read by `starter.api.body`, so their schemas are told here."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connector.rules.campaigns import Campaign, Card
from connector.rules.interactions import Event, Interaction
from connector.rules.users import User
from starter.api.key_schemes import tell_scopes
from starter.api.options import ActOptions, ClickOptions, PublishOptions, TapOptions

_PLACE = "#/components/schemas/{model}"


class Interactions(BaseModel):
    """A batch, at most 1,000 of each. `users` hold before the interactions are judged."""

    interactions: list[Interaction | Event]
    users: list[User] = []


def body_of(*models: str, required: bool = True) -> dict[str, Any]:
    """What a route says of its body: a JSON object of one of these models."""
    schemas = [{"$ref": _PLACE.format(model=model)} for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> None:
    """Add the schemas that `body_of` points at to the application's document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = generate().setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_schemas())
            tell_scopes(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas() -> dict[str, Any]:
    # As written out, durations and times of day are plain texts; as read in, pydantic would promise ISO 8601.
    models = [
        (model, "serialization")
        for model in (Interactions, User, Campaign, Card, PublishOptions, ActOptions, ClickOptions, TapOptions)
    ]
    _, schema = models_json_schema(models, ref_template=_PLACE)  # type: ignore[arg-type]
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
