"""Settings of webhooks: an error names the variable, and only configured providers are accepted."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connector.app.configuration import SettingsWrong, read_settings
from connector.rules.provider_events.events import PROVIDERS
from starter.webhooks.registry import open_providers


def _key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


RIGHT = {
    "CONNECTOR_SENDGRID_WEBHOOK_KEY": _key(ec.generate_private_key(ec.SECP256R1())),
    "CONNECTOR_SES_TOPICS": '["arn:aws:sns:us-east-1:123456789012:SES_Events"]',
    "CONNECTOR_MAILGUN_SIGNING_KEY": "a-signing-key-of-mailguns",
    "CONNECTOR_POSTMARK_WEBHOOK_USER": "postmark",
    "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": "a long random password",
    "CONNECTOR_RESEND_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "CONNECTOR_TWILIO_AUTH_TOKEN": "f" * 32,
    "CONNECTOR_TWILIO_WEBHOOK_URL": "https://connector.example.com/webhooks/twilio",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in RIGHT:
        monkeypatch.delenv(variable, raising=False)


def test_no_webhook_by_default() -> None:
    """No secret has a default: without settings there is no webhook."""
    assert open_providers(read_settings()) == {}


def test_all_configured_providers_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each under the name in its URL."""
    for variable, value in RIGHT.items():
        monkeypatch.setenv(variable, value)
    opened = open_providers(read_settings())
    assert sorted(opened) == sorted(PROVIDERS)
    assert all(provider.name == name for name, provider in opened.items())


@pytest.mark.parametrize("name", PROVIDERS)
def test_one_configured_provider(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One is configured, the others are not."""
    for variable, value in RIGHT.items():
        if f"_{name.upper()}_" in variable:
            monkeypatch.setenv(variable, value)
    assert list(open_providers(read_settings())) == [name]


def test_twilio_accepts_calls_at_its_status_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL of its own, the delivery reports' URL is used."""
    monkeypatch.setenv("CONNECTOR_TWILIO_AUTH_TOKEN", "f" * 32)
    monkeypatch.setenv("CONNECTOR_TWILIO_STATUS_CALLBACK", "https://connector.example.com/webhooks/twilio")
    assert list(open_providers(read_settings())) == ["twilio"]


WRONG = [
    ("CONNECTOR_SENDGRID_WEBHOOK_KEY", "QUJDREVG"),
    ("CONNECTOR_SENDGRID_WEBHOOK_KEY", "not base64 at all!"),
    ("CONNECTOR_SENDGRID_WEBHOOK_KEY", _key(ec.generate_private_key(ec.SECP384R1()))),
    ("CONNECTOR_SENDGRID_WEBHOOK_KEY", _key(rsa.generate_private_key(65537, 2048))),
    ("CONNECTOR_SENDGRID_WEBHOOK_TOLERANCE", "48 hours"),
    ("CONNECTOR_SES_TOPICS", "arn:aws:sns:us-east-1:123456789012:SES_Events"),
    ("CONNECTOR_SES_TOPICS", '["arn:aws:sqs:us-east-1:123456789012:SES_Events"]'),
    ("CONNECTOR_SES_TOPICS", '{"a": "secret-word"}'),
    ("CONNECTOR_MAILGUN_SIGNING_KEY", "short-secret"),
    ("CONNECTOR_RESEND_WEBHOOK_SECRET", "whsec_not base64!"),
    ("CONNECTOR_RESEND_WEBHOOK_SECRET", "whsec_QUJD"),
    ("CONNECTOR_TWILIO_WEBHOOK_URL", "connector.example.com"),
]


SHOWN = {"CONNECTOR_SENDGRID_WEBHOOK_TOLERANCE", "CONNECTOR_SES_TOPICS", "CONNECTOR_TWILIO_WEBHOOK_URL"}


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_an_invalid_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """At the start, with what would be right, and with the value unless it may be a secret."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsWrong) as error:
        read_settings()
    assert str(error.value).startswith(variable)
    if variable not in SHOWN:
        assert value not in str(error.value)


SECRETS = ("MAILGUN_SIGNING_KEY", "POSTMARK_WEBHOOK_USER", "RESEND_WEBHOOK_SECRET", "SENDGRID_WEBHOOK_KEY")


@pytest.mark.parametrize("variable", SECRETS)
def test_an_empty_secret_is_no_secret(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """An empty variable does not open a webhook that everybody can sign for."""
    monkeypatch.setenv(f"CONNECTOR_{variable}", "")
    with pytest.raises(SettingsWrong, match=variable):
        read_settings()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CONNECTOR_POSTMARK_WEBHOOK_USER": "postmark"}, "USER and .*PASSWORD go together"),
        ({"CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": "a long random password"}, "USER and .*PASSWORD go together"),
        ({"CONNECTOR_POSTMARK_WEBHOOK_TOKEN": "a long random token"}, "set those too"),
        (
            {"CONNECTOR_TWILIO_WEBHOOK_URL": "https://x.example/webhooks/twilio"},
            "WEBHOOK_URL needs CONNECTOR_TWILIO_AUTH_TOKEN",
        ),
    ],
)
def test_what_goes_together(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str) -> None:
    """Half of the credentials are none."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsWrong, match=words):
        read_settings()
