"""Settings of callers with a key of the scope `client`, apps and web pages: CONNECTOR_CLIENT_*."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connector.rules.model.api_keys import MAX_KEY_RATE
from connector.rules.model.values import Text
from connector.settings.environment import Section
from connector.settings.signing import Origins, TokenSecrets

MAX_TOKEN_LIFETIME = timedelta(days=30)
DEFAULT_USER_RATE = 10.0


class ClientSettings(Section):
    """User tokens, origins, and what a client may change; see docs/keys.md.

    Args:
        attributes: the attributes of the own user that a client may change; `first_name` and `time_zone` count as such.
        user_rate: requests per second of one user, whatever the rate of the key.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_CLIENT_", extra="ignore")

    secrets: TokenSecrets = Field(default_factory=list)
    token_lifetime: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0), le=MAX_TOKEN_LIFETIME)
    origins: Origins = Field(default_factory=list)
    attributes: list[Text] = Field(default_factory=list)
    user_rate: Annotated[float, Field(gt=0, le=MAX_KEY_RATE, allow_inf_nan=False)] = DEFAULT_USER_RATE
