"""No setting that is a secret has a default: what everybody can read in the source protects nothing."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr
from pydantic_settings import BaseSettings

import connector
import starter
from connector.app.configuration import SettingsWrong, read_settings

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
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, BaseSettings):
        return any(is_secret(field.annotation) for field in annotation.model_fields.values())
    return annotation in (SecretStr, SecretBytes) or any(map(is_secret, get_args(annotation)))


def with_defaults(model: type[BaseSettings]) -> list[str]:
    """The secrets of a model that are something where nobody set them."""
    fields = model.model_fields.items()
    secrets = [(name, field) for name, field in fields if is_secret(field.annotation)]
    return [name for name, field in secrets if field.get_default(call_default_factory=True) not in (None, [], (), {})]


MODELS = every_model()
NOW = datetime(2026, 3, 2, tzinfo=UTC)


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


KEYS = [{"name": "deploy", "key": "k" * 32, "scopes": ["manage"]}]
SIGNING = "whsec_" + "QUJD" * 8
RIGHT: dict[str, Any] = {
    "CONNECTOR_DATABASE_URL": "postgresql://u:p@h/n",
    "CONNECTOR_API_KEYS": KEYS,
    "CONNECTOR_API_KEY": "r" * 32,
    "CONNECTOR_ERASURE_SECRET": "e" * 32,
    "CONNECTOR_CODEC_KEYS": [{"id": "2026-11", "key": "QUJD" * 10 + "QUI="}],
    "CONNECTOR_WEBHOOK_SECRET": SIGNING,
    "CONNECTOR_WEBHOOK_SECRETS": [SIGNING],
    "CONNECTOR_WEBHOOK_RECEIVER_SECRETS": {"hooks.example": [SIGNING]},
    "CONNECTOR_SMTP_PASSWORD": "p" * 8,
    "CONNECTOR_TWILIO_AUTH_TOKEN": "t" * 16,
    "CONNECTOR_TWILIO_API_SECRET": "t" * 16,
    "CONNECTOR_CLIENT_SECRETS": ["c" * 32],
    "CONNECTOR_INBOX_SECRETS": ["i" * 32],
    "CONNECTOR_TRACKING_SECRETS": ["t" * 32],
    "CONNECTOR_MAILGUN_SIGNING_KEY": "m" * 16,
    "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": "p" * 16,
    "CONNECTOR_POSTMARK_WEBHOOK_TOKEN": "p" * 16,
    "CONNECTOR_RESEND_WEBHOOK_SECRET": SIGNING,
}
"""For every secret a value that is just long enough."""
ONE_LESS: dict[str, Any] = {
    "CONNECTOR_API_KEYS": [KEYS[0] | {"key": "k" * 31}],
    "CONNECTOR_CODEC_KEYS": [{"id": "2026-11", "key": "QUJD" * 10 + "QQ=="}],
    "CONNECTOR_WEBHOOK_SECRET": "whsec_QQ==",
    "CONNECTOR_WEBHOOK_SECRETS": ["whsec_" + "A" * 30],
    "CONNECTOR_WEBHOOK_RECEIVER_SECRETS": {"hooks.example": ["whsec_" + "A" * 30]},
    "CONNECTOR_CLIENT_SECRETS": ["c" * 31],
    "CONNECTOR_INBOX_SECRETS": ["i" * 31],
    "CONNECTOR_TRACKING_SECRETS": ["t" * 31],
    "CONNECTOR_RESEND_WEBHOOK_SECRET": "whsec_" + "A" * 20,
}
"""For those whose value is not the secret alone, one that is too short."""
WITHOUT_LENGTH = {"CONNECTOR_DATABASE_URL", "CONNECTOR_SMTP_PASSWORD"}
"""The URL need not hold a password; the server of SMTP, which the password signs in at, knows what it accepts."""
BESIDE = {
    "CONNECTOR_API_KEY": {"CONNECTOR_API_URL": "https://connector.shop.example"},
    "CONNECTOR_TWILIO_API_SECRET": {"CONNECTOR_TWILIO_API_KEY": "SK" + "0" * 32},
    "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": {"CONNECTOR_POSTMARK_WEBHOOK_USER": "u"},
    "CONNECTOR_POSTMARK_WEBHOOK_TOKEN": {
        "CONNECTOR_POSTMARK_WEBHOOK_USER": "u",
        "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": "p" * 16,
    },
}


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def section_and_field(variable: str) -> tuple[type[BaseSettings], str]:
    """The model that a variable belongs to, the one with the longest prefix, and its field."""
    models = [m for m in MODELS if variable.startswith(str(m.model_config["env_prefix"]))]
    for model in sorted(models, key=lambda m: -len(str(m.model_config["env_prefix"]))):
        name = variable.removeprefix(str(model.model_config["env_prefix"])).lower()
        if name in model.model_fields:
            return model, name
    raise AssertionError(variable)


@pytest.fixture
def beside(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a secret is no use without."""
    for name, value in BESIDE.get(variable, {}).items():
        monkeypatch.setenv(name, value)


def test_the_table_has_every_secret() -> None:
    """A new secret must say how long it is, and gets its file without more."""
    found = {
        f"{model.model_config['env_prefix']}{name}".upper()
        for model in MODELS
        for name, field in model.model_fields.items()
        if is_secret(field.annotation) and model.model_config.get("env_prefix")
    }
    assert found == RIGHT.keys()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("variable", RIGHT)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_from_a_file(variable: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as from the variable, without the newline that editors add; no repr of the settings has it."""
    model, name = section_and_field(variable)
    monkeypatch.setenv(variable, text_of(RIGHT[variable]))
    expected = getattr(model(), name)
    monkeypatch.delenv(variable)
    file = tmp_path / "secret"
    file.write_bytes((text_of(RIGHT[variable]) + end).encode())
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    read = model()
    assert getattr(read, name) == expected
    assert not any(shown in repr(read) for shown in ("p" * 8, "t" * 16, "k" * 32, "i" * 32, SIGNING, "u:p@h"))


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("variable", RIGHT)
@pytest.mark.parametrize("wrong", ["both", "missing", "folder", "empty", "binary", "large", "the secret itself"])
def test_a_file_that_cannot_be_used(variable: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, and contains neither the value nor the text given as the path."""
    file = tmp_path / "secret-file"
    secret = text_of(RIGHT[variable])
    contents = {"both": secret, "empty": "\n", "binary": "\udcff" * 40, "large": "s" * 70_000}
    if wrong in contents:
        file.write_bytes(contents[wrong].encode(errors="surrogateescape"))
    path = {"folder": str(tmp_path), "the secret itself": "hunter2" * 5}.get(wrong, str(file))
    monkeypatch.setenv(f"{variable}_FILE", path)
    if wrong == "both":
        monkeypatch.setenv(variable, secret)
    with pytest.raises(SettingsWrong, match=f"{variable}_FILE") as error:
        read_settings()
    message = str(error.value)
    assert secret not in message
    assert path not in message


def test_the_case_of_a_name_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every setting; so both forms are noticed however they are written."""
    file = tmp_path / "secret"
    file.write_text("p" * 8)
    monkeypatch.setenv("connector_smtp_password_file", str(file))
    password = read_settings().smtp.password
    assert password is not None
    assert password.get_secret_value() == "p" * 8
    monkeypatch.setenv("Connector_Smtp_Password", "q" * 8)
    with pytest.raises(SettingsWrong, match="CONNECTOR_SMTP_PASSWORD_FILE are both set"):
        read_settings()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("variable", sorted(RIGHT.keys() - WITHOUT_LENGTH))
def test_too_short(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One character less is refused, by a message that names the variable and not the value."""
    short = text_of(ONE_LESS[variable] if variable in ONE_LESS else RIGHT[variable][:-1])
    monkeypatch.setenv(variable, short)
    with pytest.raises(SettingsWrong, match=variable) as error:
        read_settings()
    assert short not in str(error.value)
    monkeypatch.setenv(variable, text_of(RIGHT[variable]))
    read_settings()


KEY_ENTRY = {"name": "deploy", "key": "k" * 32, "scopes": ["manage"]}


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        (["k" * 40], "scopes"),
        ([KEY_ENTRY, "k" * 40], "scopes"),
        ([KEY_ENTRY | {"scopes": []}], r"\[0\]"),
        ([{"name": "deploy", "key": "k" * 32}], r"\[0\]"),
        ([KEY_ENTRY | {"scopes": ["all"]}], r"\[0\]"),
        ([KEY_ENTRY, KEY_ENTRY | {"name": "other", "key": "with spaces " * 4}], r"\[1\].*ASCII"),
        ([KEY_ENTRY | {"key": "schlüssel" * 4}], "ASCII"),
        ([KEY_ENTRY | {"key": "user:" + "k" * 40}], "colons"),
        ([KEY_ENTRY | {"name": "two words"}], r"\[0\]"),
        ([KEY_ENTRY, KEY_ENTRY | {"key": "l" * 32}], "same name"),
        ([KEY_ENTRY, KEY_ENTRY | {"name": "other"}], "same key"),
        ("k" * 40, "JSON"),
    ],
)
def test_keys_of_the_settings(entries: Any, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names its scopes; a bare key, which once had them all, is refused with the right form."""
    monkeypatch.setenv("CONNECTOR_API_KEYS", text_of(entries))
    with pytest.raises(SettingsWrong, match=f"CONNECTOR_API_KEYS.*{word}") as error:
        read_settings()
    assert "kkkk" not in str(error.value)


def test_one_secret_or_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """The single webhook secret of earlier versions still works; beside a list it would be unclear which one signs."""
    monkeypatch.setenv("CONNECTOR_WEBHOOK_SECRET", SIGNING)
    assert read_settings().webhook_signer.sign("h", "1", NOW, "")
    monkeypatch.setenv("CONNECTOR_WEBHOOK_SECRETS", json.dumps([SIGNING]))
    with pytest.raises(SettingsWrong, match="WEBHOOK_SECRETS"):
        read_settings()
