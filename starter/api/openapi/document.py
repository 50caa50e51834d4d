"""The OpenAPI document: bodies and answers are plain JSON values to the routes, so their schemas are told here."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connector.rules.model.campaigns import Campaign, Card
from connector.rules.model.interactions import Event, Interaction
from connector.rules.model.users import User
from starter.api.access.key_schemes import tell_scopes
from starter.api.openapi import examples
from starter.api.openapi import responses as answers
from starter.api.openapi.views import ErrorView
from starter.api.routes.options import ActOptions, ClickOptions, NoOptions, PublishOptions, TapOptions

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


def operation_id(route: APIRoute) -> str:
    """The name by which generated clients know a route: its tag and its function's name."""
    return f"{route.tags[0]}-{route.name}"


def describe(app: FastAPI) -> None:
    """Add to the application's document what `body_of` points at, every error, and an example of everything."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    document.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
    answers.complete(document, _PLACE.format(model=ErrorView.__name__))
    for operation in answers.operations(document):
        examples.add_examples(operation, _PLACE)
    tell_scopes(document)


def _schemas() -> dict[str, Any]:
    # As written out, durations and times of day are plain texts; as read in, pydantic would promise ISO 8601.
    read = (Interactions, User, Campaign, Card, NoOptions, PublishOptions, ActOptions, ClickOptions, TapOptions)
    # As read in, what may be left out of an answer is not promised.
    answered = [model for model in (ErrorView, *examples.viewed()) if model is not User]
    models: list[tuple[Any, Literal["serialization", "validation"]]] = [(model, "serialization") for model in read]
    models += [(model, "validation") for model in answered]
    _, schema = models_json_schema(models, ref_template=_PLACE)
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
