"""`POST /v1/interactions`: a result an item, bounds, and what happens while a part is away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from connector.settings import Settings
from connector.store.database import Database
from connector.store.tables import follow_ups, interactions
from starter.api.body import MAX_BODY_BYTES
from starter.api.interactions import MAX_ITEMS
from starter.compose import Parts, compose
from tests.house import House
from tests.starter.conftest import open_client

URL = "/v1/interactions"
Ago = Callable[[float], str]
