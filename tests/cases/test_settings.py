"""Wrong settings: every fault at once, each with its variable, what would be right, and the value unless it is secret.

Sources: this project's issue 15, item 5, and docs/settings.md; the SDK's variables are those of Temporal, "Environment
configuration"; those of services: Kubernetes, "Service: environment variables", and Docker, "Container links".
"""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from connector.app.configuration import SettingsWrong, read_settings
from connector.rules.model.values import format_duration
from connector.settings.application import Settings
from connector.settings.durations import EARLIER_NAMES
from connector.settings.inventory import list_settings
from connector.settings.temporal_names import find_temporal_slips

LISTED = list_settings(Settings)
DURATIONS = [one for one in LISTED if one.field.annotation is timedelta]
MAY_BE_NOTHING = ["CONNECTOR_KEEP_MESSAGES"]


def faults(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    """The lines that these variables cause."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        read_settings()
    except SettingsWrong as error:
        return str(error).split("\n")
    return []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CONNECTOR_SMPT_HOST", "CONNECTOR_SMTP_HOST"),
        ("CONNECTOR_SMTP_HOSTS", "CONNECTOR_SMTP_HOST"),
        ("CONNECTOR_SMTPHOST", "CONNECTOR_SMTP_HOST"),
        ("CONNECTOR_DATABSE_URL", "CONNECTOR_DATABASE_URL"),
        ("CONNECTOR_DATABASEURL", "CONNECTOR_DATABASE_URL"),
        ("CONNECTOR_DATABASE_URI", "CONNECTOR_DATABASE_URL"),
        ("CONNECTOR_APIKEY", "CONNECTOR_API_KEY"),
        ("CONNECTOR_APIKEYS", "CONNECTOR_API_KEYS"),
        ("CONNECTOR_TRACKING_SECRET", "CONNECTOR_TRACKING_SECRETS"),
        ("CONNECTOR_CODEC_KEY", "CONNECTOR_CODEC_KEYS"),
        ("CONNECTOR_TWILIO_AUTHTOKEN", "CONNECTOR_TWILIO_AUTH_TOKEN"),
        ("CONNECTOR_WORKSPCAE", "CONNECTOR_WORKSPACE"),
        ("CONNECTOR_LOGFORMAT", "CONNECTOR_LOG_FORMAT"),
        ("CONNECTOR_SES_TOPIC", "CONNECTOR_SES_TOPICS"),
        ("CONNECTOR_RETENTON", "CONNECTOR_RETENTION"),
        ("CONNECTOR_SMPT_PASSWORD_FILE", "CONNECTOR_SMTP_PASSWORD_FILE"),
        ("CONNECTOR_API_KEYFILE", "CONNECTOR_API_KEY_FILE"),
        ("CONNECTOR_DATABASE_URL_FLIE", "CONNECTOR_DATABASE_URL_FILE"),
        ("connector_smpt_host", "CONNECTOR_SMTP_HOST"),
        ("CONNECTOR_SMTP_HOST_FILE", "CONNECTOR_SMTP_HOST"),
        ("CONNECTOR_DATA_FILE", "CONNECTOR_DATA"),
        ("CONNECTOR_API_LIMITS", "`connector settings`"),
        ("CONNECTOR_SMTP", "CONNECTOR_SMTP_TLS"),
        ("CONNECTOR_", "`connector settings`"),
    ],
)
def test_unknown_variables(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused by its name as it was written, with the nearest name that there is; never its value."""
    (line,) = faults(monkeypatch, **{name: "hunter2-hunter2-hunter2-hunter2-hunter2"})
    assert line.startswith(f"{name} is unknown")
    assert re.search(rf" {meant}(\?|$| lists)", line)
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_HOST", "mail"),
        ("CONNECTORS", "2"),
        ("KAFKA_CONNECTOR_NAME", "x"),
        ("TEMPORAL_ADRESS", "temporal:7233"),
        ("CONNECTOR_SERVICE_HOST", "10.0.0.7"),
        ("CONNECTOR_SERVICE_PORT", "8080"),
        ("CONNECTOR_SERVICE_PORT_HTTP", "8080"),
        ("CONNECTOR_PORT", "tcp://10.0.0.7:8080"),
        ("CONNECTOR_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("CONNECTOR_PORT_8080_TCP_PROTO", "tcp"),
        ("CONNECTOR_PORT_8080_TCP_PORT", "8080"),
        ("CONNECTOR_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("CONNECTOR_PORT_53_UDP", "udp://10.0.0.7:53"),
        ("CONNECTOR_API_PORT", "tcp://10.0.0.7:8080"),
        ("CONNECTOR_API_SERVICE_HOST", "10.0.0.7"),
        ("CONNECTOR_SMTP_PORT", "tcp://10.0.0.7:25"),
    ],
)
def test_variables_of_others(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else in the environment is refused, and what Kubernetes or Docker writes for a service is no setting."""
    assert faults(monkeypatch, **{name: value}) == []
    assert (read_settings().api_port, read_settings().smtp.port) == (8080, 587)


def test_all_faults_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each, whatever their kind and section, so that one start shows all."""
    wrong = {
        "CONNECTOR_SMPT_HOST": "mail",
        "CONNECTOR_WORKSPACE": "",
        "CONNECTOR_API_KEYS": "no JSON",
        "CONNECTOR_ERASURE_SECRET_FILE": "/nowhere",
        "CONNECTOR_SMTP_PORT": "smtp",
        "CONNECTOR_SMTP_TLS": "ssl",
        "CONNECTOR_TWILIO_TIMEOUT": "1 minute",
        "CONNECTOR_TRACKING_URL": "https://links.shop.example",
        "CONNECTOR_INBOX_EXPIRY": '{"content_card": "2 months"}',
        "CONNECTOR_POSTMARK_WEBHOOK_PASSWORD": "p" * 16,
    }
    lines = faults(monkeypatch, **wrong)
    assert [name for name in wrong if not any(name in line for line in lines)] == []
    assert len(lines) == len(wrong)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("CONNECTOR_SMTP_PORT", "smtp", "must be a whole number, not 'smtp'"),
        ("CONNECTOR_SMTP_PORT", "70000", "must be less than or equal to 65535, not '70000'"),
        ("CONNECTOR_API_PORT", "-1", "must be greater than or equal to 0, not '-1'"),
        ("CONNECTOR_DEV", "maybe", "must be true or false, not 'maybe'"),
        ("CONNECTOR_KEY_RATE", "fast", "must be a number, not 'fast'"),
        ("CONNECTOR_KEY_RATE", "nan", "must be a finite number, not 'nan'"),
        ("CONNECTOR_SMTP_TLS", "startls", "'startls' is not known; did you mean starttls?"),
        ("CONNECTOR_LOG_FORMAT", "xml", "'xml' is not one of auto, pretty, json"),
        ("CONNECTOR_SMTP_PROVIDER", "sendgird", "'sendgird' is not known; did you mean sendgrid?"),
        ("CONNECTOR_WORKSPACE", "two words", "'two words' is not an id; write up to 128 letters"),
        ("CONNECTOR_LINK_HOSTS", "hooks.example", "lists and mappings are written as JSON"),
        ("CONNECTOR_LINK_HOSTS", '["https://x"]', "'https://x' does not have the form"),
        ("CONNECTOR_WEBHOOK_NETWORKS", '["10.0.0.7/8"]', "'10.0.0.7/8' is an address of the network 10.0.0.0/8"),
        ("CONNECTOR_API_TRUSTED_PROXIES", '["proxy"]', "'proxy' is not a network"),
        ("CONNECTOR_CLIENT_ORIGINS", '["shop.example"]', "'shop.example' is not an origin"),
        ("CONNECTOR_TRACKING_URL", "links.shop.example", "write the public address of the API"),
        (
            "CONNECTOR_TWILIO_API_URL",
            "https://",
            "write an address that begins with https:// and a host, not 'https://'",
        ),
        ("CONNECTOR_SES_TOPICS", '["topic"]', "each must be the ARN of an SNS topic"),
        ("CONNECTOR_CHANNEL_RATES", '{"emial": 5}', "'emial' is not known; did you mean email?"),
        ("CONNECTOR_CHANNEL_RATES", '{"email": 0}', "must be greater than 0"),
        ("CONNECTOR_CHANNEL_RATES", '{"email": Infinity}', "must be a finite number"),
        ("CONNECTOR_INBOX_PRIORITIES", '{"content_card": 5000}', "must be less than or equal to 1000, not 5000"),
        ("CONNECTOR_DATABASE_CONNECTIONS", "3", "must be greater than or equal to 4, not '3'"),
        ("CONNECTOR_API_MAX_BODY_MEMORY", "16M", "must be a whole number, not '16M'"),
    ],
)
def test_wrong_values(variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line begins with the variable, and has what would be right and the value."""
    (written,) = faults(monkeypatch, **{variable: value})
    assert written.startswith(variable)
    assert line in written


SECRET_LOOKING = "sk_live_hunter2hunter2"
MISPLACED = [
    "CONNECTOR_SENDGRID_WEBHOOK_KEY",
    "CONNECTOR_TWILIO_ACCOUNT_SID",
    "CONNECTOR_TWILIO_API_KEY",
    "CONNECTOR_TWILIO_MESSAGING_SERVICE_SID",
]


@pytest.mark.parametrize("variable", MISPLACED)
def test_a_secret_in_the_wrong_place(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages do not quote public values beside a secret, where the secret is easily written by mistake."""
    (line,) = faults(monkeypatch, **{variable: SECRET_LOOKING})
    assert line.startswith(variable)
    assert SECRET_LOOKING not in line


def test_credentials_in_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message about a wrong address masks its user name and password."""
    (line,) = faults(monkeypatch, CONNECTOR_TRACKING_URL="ftp://ada:hunter2@links.shop.example")
    assert "ftp://***@links.shop.example" in line


@pytest.mark.parametrize("wrong", ["20", "20s", "1 month", "1.5 hours", "0 seconds", "-5 seconds", "soon", "P", "1e3"])
def test_one_notation_of_durations(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every duration is written as in YAML; anything else is refused with the right form."""
    lines = faults(monkeypatch, **{one.variable: wrong for one in DURATIONS})
    right = MAY_BE_NOTHING if wrong == "0 seconds" else []
    assert [line.partition(":")[0] for line in lines] == sorted({one.variable for one in DURATIONS} - {*right})
    assert all(repr(wrong) in line for line in lines)


def test_a_default_is_written_as_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/settings.md and `connector settings` show for a duration can be set."""
    assert faults(monkeypatch, **{one.variable: format_duration(one.field.default) for one in DURATIONS}) == []
    settings = read_settings()
    for one in DURATIONS:
        section = settings if one.part is None else getattr(settings, one.part)
        assert getattr(section, one.name) == one.field.default


@pytest.mark.parametrize("written", ["PT20S", "00:00:20", "20 seconds"])
def test_earlier_notations(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ISO 8601 and HH:MM:SS, which version 0.1.0 asked for, are still read."""
    monkeypatch.setenv("CONNECTOR_SEND_TIMEOUT", written)
    assert read_settings().send_timeout == timedelta(seconds=20)


@pytest.mark.parametrize("variable", EARLIER_NAMES)
def test_earlier_names(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of version 0.1.0 hold, with their numbers; a wrong one shows the present name; not both."""
    earlier = EARLIER_NAMES[variable]
    mapping = variable == "CONNECTOR_INBOX_EXPIRY"
    monkeypatch.setenv(earlier.name, json.dumps({"content_card": 2}) if mapping else "2")
    one = next(one for one in LISTED if one.variable == variable)
    settings = read_settings()
    value = getattr(settings if one.part is None else getattr(settings, one.part), one.name)
    assert (value["content_card"] if mapping else value) == timedelta(**{f"{earlier.unit}s": 2})
    (line,) = faults(monkeypatch, **{earlier.name: "soon"})
    assert line.startswith(earlier.name)
    assert variable in line
    (line,) = faults(monkeypatch, **{variable: "2 days"})
    assert line == f"{variable} and {earlier.name} are both set; set one of them"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TEMPORAL_ADRESS", "TEMPORAL_ADDRESS"),
        ("TEMPROAL_ADDRESS", "TEMPORAL_ADDRESS"),
        ("TEMPORAL_NAMESPACES", "TEMPORAL_NAMESPACE"),
        ("TEMPORAL_APIKEY", "TEMPORAL_API_KEY"),
        ("TEMPORAL_TLS_SERVERNAME", "TEMPORAL_TLS_SERVER_NAME"),
        ("TEMPORAL_TLS_CLIENT_CERT", "TEMPORAL_TLS_CLIENT_CERT_PATH"),
        ("TEMPORAL_ADDRESS", None),
        ("TEMPORAL_GRPC_META_X", None),
        ("TEMPORAL_VERSION", None),
        ("TEMP", None),
    ],
)
def test_slips_in_temporals_variables(name: str, meant: str | None) -> None:
    """Slips cause warnings, not refusals, because other tools have TEMPORAL_ variables of their own."""
    assert list(find_temporal_slips({name: "x"})) == (
        [] if meant is None else [f"Temporal's SDK does not read {name}; did you mean {meant}?"]
    )
