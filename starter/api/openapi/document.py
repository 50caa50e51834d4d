"""Complete the OpenAPI document: routes read and write plain JSON values, so their schemas are declared here."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connector.rules.model.campaigns import Campaign, Card, Workspace
from connector.rules.model.interactions import Event, Interaction
from connector.rules.model.users import User
from starter.api.access.key_schemes import describe_scopes, keep_basic_for_segment
from starter.api.openapi import examples, responses
from starter.api.openapi.model_names import PLACE, refer_to, resolve_models
from starter.api.openapi.operation_ids import published_id
from starter.api.openapi.views import ErrorView, InboxMessageView
from starter.api.requests.definitions import (
    ApplyRequest,
    BacktestRequest,
    DefinitionsRequest,
    PlanRequest,
    SimulateRequest,
)
from starter.api.requests.operator_options import (
    ActOptions,
    BulkOptions,
    CleanupOptions,
    CreateKeyOptions,
    MatchOptions,
    PostponeOneOptions,
    PostponeOptions,
    ResendOptions,
    ResolveManyOptions,
    ResolveOptions,
    RotateKeyOptions,
)
from starter.api.requests.options import (
    ClickOptions,
    InboxActionOptions,
    NoOptions,
    OrderOptions,
    OrderRequest,
    PreviewOptions,
    PublishOptions,
    SendTestOptions,
    TapOptions,
)


class Interactions(BaseModel):
    """A batch, at most 1,000 of each. `users` are applied before the interactions are evaluated."""

    interactions: list[Interaction | Event]
    users: list[User] = []


def describe_body(*models: str, required: bool = True) -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body is a JSON object of one of these models."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": refer_to(*models)}}}}


def operation_id(route: APIRoute) -> str:
    """Return the key of a route, by which it is known here: its tag and its name. The document has `published_id`."""
    return f"{route.tags[0]}-{route.name}"


def describe(app: FastAPI) -> None:
    """Add the schemas that `describe_body` refers to, every error and an example of every operation to the document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    document.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
    responses.add_error_responses(document, PLACE.format(model=ErrorView.__name__))
    for operation in responses.operations(document):
        examples.add_examples(operation, PLACE)
    keep_basic_for_segment(document)
    describe_scopes(document)
    for operation in responses.operations(document):
        operation["operationId"] = published_id(operation["operationId"])
    document.update(resolve_models(document))


def _schemas() -> dict[str, Any]:
    # Serialization schemas: durations and times of day are plain strings; validation schemas would promise ISO 8601.
    read = (
        Interactions,
        User,
        Campaign,
        Card,
        NoOptions,
        OrderOptions,
        PublishOptions,
        OrderRequest,
        Workspace,
        DefinitionsRequest,
        ApplyRequest,
        PlanRequest,
        SimulateRequest,
        BacktestRequest,
        InboxActionOptions,
        ClickOptions,
        TapOptions,
        ResolveOptions,
        ResendOptions,
        ActOptions,
        PostponeOneOptions,
        BulkOptions,
        PostponeOptions,
        ResolveManyOptions,
        MatchOptions,
        CreateKeyOptions,
        RotateKeyOptions,
        CleanupOptions,
        PreviewOptions,
        SendTestOptions,
    )
    # Validation schemas: fields with defaults are optional in responses.
    answered = [model for model in (ErrorView, InboxMessageView, *examples.answer_models()) if model is not User]
    models: list[tuple[Any, Literal["serialization", "validation"]]] = [(model, "serialization") for model in read]
    models += [(model, "validation") for model in answered]
    _, schema = models_json_schema(models, ref_template=PLACE)
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
