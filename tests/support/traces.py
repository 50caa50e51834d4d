"""Searches for what is left of a person: every column of the database, SQLite's files, Temporal's histories."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Column, LargeBinary, cast, inspect, select, table
from sqlalchemy.types import Text
from temporalio.client import Client

from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction

_HEXADECIMAL = re.compile(r"[0-9a-f]+")


class Traces:
    """Searches for texts in every form in which they may be written.

    Args:
        texts: what names the person.
    """

    def __init__(self, texts: Collection[str]) -> None:
        forms = {form for text in texts for form in (text, text.casefold(), quote(text), json.dumps(text)[1:-1])}
        # A form of hexadecimal digits alone, like "ada", may be in any hash.
        self._forms = {form for form in forms if not _HEXADECIMAL.fullmatch(form)}

    def found_in(self, text: str) -> set[str]:
        """Return the forms that the text has."""
        return {form for form in self._forms if form in text}

    async def in_tables(self, database: Database) -> dict[str, set[str]]:
        """Return what is found by table and column, in all tables that the database has."""
        found: dict[str, set[str]] = {}
        async with database.read("") as tx:
            for name, columns in (await tx.connection.run_sync(_columns_by_table)).items():
                for column in columns:
                    text = " ".join(await _texts(tx, name, column))
                    if forms := self.found_in(text):
                        found[f"{name}.{column}"] = forms
        return found

    def in_files(self, folder: Path, pattern: str = "*.db*") -> dict[str, set[str]]:
        """Return what is found by file. Another process reads them: closing a file here would end SQLite's locks."""
        found: dict[str, set[str]] = {}
        for path in sorted(folder.glob(pattern)):
            content = subprocess.run(["cat", path], capture_output=True, check=True).stdout
            if forms := {form for form in self._forms if form.encode() in content}:
                found[path.name] = forms
        return found

    async def in_temporal(self, client: Client) -> dict[str, set[str]]:
        """Return what is found by workflow: in its history, memo, search attributes and description."""
        found: dict[str, set[str]] = {}
        async for listed in client.list_workflows():
            handle = client.get_workflow_handle(listed.id, run_id=listed.run_id)
            parts = [event.SerializeToString() for event in (await handle.fetch_history()).events]
            parts += [
                listed.raw_info.SerializeToString(),
                (await handle.describe()).raw_description.SerializeToString(),
            ]
            if forms := {form for form in self._forms if any(form.encode() in part for part in parts)}:
                found[listed.id] = forms
        return found


def _columns_by_table(connection: object) -> dict[str, list[str]]:
    described = inspect(connection)
    assert described is not None
    return {name: [column["name"] for column in described.get_columns(name)] for name in described.get_table_names()}


async def _texts(tx: Transaction, name: str, column: str) -> list[str]:
    asked = Column(column, LargeBinary)
    rows = await tx.execute(select(cast(asked, Text)).select_from(table(name, asked)))
    return [text for text in rows.scalars() if text is not None]
