"""No setting that is a secret has a default: what everybody can read in the source protects nothing."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from pydantic import Field, SecretBytes, SecretStr
from pydantic_settings import BaseSettings

import connector
import starter

_NAMES = ("secret", "secrets", "password", "passwords", "auth_token", "api_keys", "write_keys", "signing_key")


def every_model() -> list[type[BaseSettings]]:
    """All settings models of the program, wherever they are written."""
    for package in (connector, starter):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in found.name:
                importlib.import_module(found.name)
    return [model for model in _below(BaseSettings) if model.__module__.startswith(("connector.", "starter."))]


def _below(model: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for one in model.__subclasses__():
        yield one
        yield from _below(one)


def is_secret(annotation: Any) -> bool:
    """Whether a secret stands anywhere in it: alone, in a list, a mapping, or one of several types."""
    return annotation in (SecretStr, SecretBytes) or any(map(is_secret, get_args(annotation)))


def with_defaults(model: type[BaseSettings]) -> list[str]:
    """The secrets of a model that are something where nobody set them."""
    fields = model.model_fields.items()
    secrets = [(name, field) for name, field in fields if is_secret(field.annotation)]
    return [name for name, field in secrets if field.get_default(call_default_factory=True) not in (None, [], (), {})]


MODELS = every_model()


def test_models_are_found() -> None:
    """Those of today at least."""
    assert {"Settings", "Smtp", "Twilio", "InboxSettings", "TrackingSettings"} <= {model.__name__ for model in MODELS}
    assert sum(is_secret(field.annotation) for model in MODELS for field in model.model_fields.values()) >= 7


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_secret_has_a_default(model: type[BaseSettings]) -> None:
    """None, or an empty list: without a value nothing is signed, sent or let in."""
    assert with_defaults(model) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_named_as_a_secret_is_one(model: type[BaseSettings]) -> None:
    """So that no setting slips by, and none is shown in a traceback."""
    named = {name: field for name, field in model.model_fields.items() if name.endswith(_NAMES)}
    assert [name for name, field in named.items() if not is_secret(field.annotation)] == []


def test_a_default_would_be_found() -> None:
    """In each of the forms in which one could be written."""

    class Careless(BaseSettings):
        plain: SecretStr = SecretStr("changeme")
        optional: Annotated[SecretStr | None, Field(min_length=1)] = SecretStr("changeme")
        several: list[SecretStr] = [SecretStr("changeme")]
        named: dict[str, SecretStr] = Field(default_factory=lambda: {"a": SecretStr("changeme")})
        fine: list[SecretStr] = []

    assert with_defaults(Careless) == ["plain", "optional", "several", "named"]
