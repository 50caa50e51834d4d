"""Settings of callers with a key of the scope `client`, apps and web pages: CONNECTOR_CLIENT_*."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connector.rules.model.api_keys import MAX_KEY_RATE
from connector.rules.model.values import Text
from connector.settings.environment import Section, setting
from connector.settings.signing import Origins, TokenLifetime, TokenSecrets

DEFAULT_USER_RATE = 10.0


class ClientSettings(Section):
    """User tokens, origins, and what a client may change; see docs/keys.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_CLIENT_", extra="ignore")
    title: ClassVar[str] = "Apps and web pages"
    read_by: ClassVar[str] = "API"

    secrets: TokenSecrets = setting(
        [],
        "secrets for [user tokens](keys.md#user-tokens), each at least 32 characters: the first one signs, all are "
        "accepted",
        form='JSON: `["a long random text"]`',
        default_text="none: keys with the scope `client` are refused",
    )
    token_lifetime: TokenLifetime = setting(
        timedelta(hours=1),
        "the lifetime of a user token that the API creates",
    )
    origins: Origins = setting(
        [],
        "the origins of web pages that may call with a key of the scope `client`",
        form='JSON: `["https://shop.example"]`',
    )
    attributes: list[Text] = setting(
        [],
        "the attributes of the own user that a client may change; `first_name` and `time_zone` count as such",
        form='JSON: `["theme", "first_name"]`',
    )
    user_rate: Annotated[float, Field(gt=0, le=MAX_KEY_RATE, allow_inf_nan=False)] = setting(
        DEFAULT_USER_RATE,
        "requests per second of one user of a client to one API process, whatever the rate of the key",
    )
