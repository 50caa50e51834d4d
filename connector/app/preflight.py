"""What must have been done before a command can work."""

from __future__ import annotations

from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.engine.migrate import is_migrated


class NotSetUp(ConnectorError):
    """There is no database with this version's tables where the settings point."""


def check_data_folder(settings: Settings) -> None:
    """Raises NotSetUp where there is no data folder: looking for data must not make an empty one."""
    if settings.database_url is None and not settings.data.exists():
        raise NotSetUp(
            f"there is no folder {settings.data}; begin with `connector dev` or `connector setup`, "
            "or name the folder with --data"
        )


async def check_tables(database: Database) -> None:
    """Raises NotSetUp where the tables are missing or of another version; StoreUnavailable."""
    if not await is_migrated(database):
        raise NotSetUp("the database has not been set up for this version; run `connector setup`")
