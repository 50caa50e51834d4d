"""Compose a definition as YAML text: open the newest revision, check the text, find targets, save it as a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any

from connector.app.store_context import StoreContext
from connector.definitions import Definitions, parse_yaml
from connector.definitions.yaml_writing import write_document
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.catalogue.references import target_parts
from connector.rules.model.audit import Actor
from connector.rules.model.campaigns import Card, Publishable, Workspace
from connector.rules.model.errors import DefinitionError, Fault, OrderRefused
from connector.rules.publishing.alone import check_newest
from connector.rules.publishing.drafting import as_written, draft
from connector.store.engine.database import database_now
from connector.templating.threads import run_in_thread
from starter.operations.drafts import apply_definitions
from starter.operations.entries import find_entry, view_entry

FILE = "YAML"
"""The name of the text in warnings: a page has no file."""
MAX_CHARACTERS = 1_000_000
"""The longest text: as long as a file that the console reads. It is checked whenever somebody has typed."""


async def open_definition(context: StoreContext, id: str) -> dict[str, Any]:
    """Return the newest saved revision of a campaign or card as YAML, and the revision that it is.

    Raises:
        NotKnown.
    """
    entry = await find_entry(context, id)
    return {
        **view_entry(entry),
        "revision": entry.newest.number,
        "yaml": write_document(as_written(entry.newest.definition)),
    }


async def read_settings_of_examples(context: StoreContext) -> tuple[Workspace, datetime]:
    """Return the workspace's settings and the database's clock (UTC), by which an example is drawn."""
    return (await context.cache.at_least(context.database)).workspace, await _now(context)


async def check_text(context: StoreContext, text: str) -> dict[str, Any]:
    """Return what is wrong with a YAML text, with lines and keys, and what `publish` would refuse or warn of.

    The faults are those of `connector validate`. A text with faults has neither refusals nor warnings yet. What is only
    known from reports and users is looked up when the text is saved.
    """
    try:
        definitions = await _read(context, text)
    except DefinitionError as error:
        return {"faults": [_view_fault(fault) for fault in error.faults], "refusals": [], "warnings": []}
    catalogue = await context.cache.at_least(context.database)
    return {"faults": [], **await run_in_thread(partial(_check, definitions, catalogue, await _now(context)))}


async def save_text(
    context: StoreContext, actor: Actor, text: str, *, bases: Mapping[str, int], reason: str | None = None
) -> dict[str, Any]:
    """Save the definitions of a YAML text as drafts, all or none.

    Args:
        bases: the newest revisions when the text was opened, by id; an id that is missing was new.

    Raises:
        DefinitionError: the text has faults.
        DraftConflict: somebody else saved one of the definitions meanwhile.
        OrderRefused: as `apply_definitions` raises it.
    """
    definitions = await _read(context, text)
    return await apply_definitions(context, actor, definitions, reason=reason, bases=bases)


async def search_targets(context: StoreContext, words: str = "", *, limit: int = 30) -> dict[str, Any]:
    """Return campaigns and cards whose id or name has all of these words, those whose id begins with them first."""
    catalogue = await context.cache.at_least(context.database)
    wanted = words.casefold().split()
    found = [entry for entry in catalogue.entries.values() if _matches(entry, wanted)]
    found.sort(key=lambda entry: (not entry.id.casefold().startswith(words.casefold().strip()), entry.id))
    return {"targets": [_view_target(entry) for entry in found[:limit]], "has_more": len(found) > limit}


async def read_target(context: StoreContext, id: str) -> dict[str, Any]:
    """Return a campaign or card as a target, with what a condition on it can name.

    Raises:
        NotKnown.
    """
    entry = await find_entry(context, id)
    return {**_view_target(entry), "parts": asdict(target_parts(entry))}


async def _read(context: StoreContext, text: str) -> Definitions:
    """Return the campaigns and cards of a text. Raises DefinitionError, also for what is no draft or too long."""
    if len(text) > MAX_CHARACTERS:
        problem = f"has {len(text):,} characters, and at most {MAX_CHARACTERS:,} are possible; save it in parts"
        raise DefinitionError([Fault("", problem, FILE, 1)])
    reading = partial(parse_yaml, text, file=FILE, with_links=not context.settings.link_hosts)
    definitions = await run_in_thread(reading)
    if definitions.workspace is not None:
        problem = "has no drafts: its settings take effect at once; apply them by `connector apply`, not with this text"
        raise DefinitionError([definitions.sources[""].locate(Fault("workspace", problem))])
    if not definitions.all:
        raise DefinitionError([Fault("", "is empty; write a campaign or a card", FILE, 1)])
    return definitions


async def _now(context: StoreContext) -> datetime:
    async with context.database.read(context.workspace) as tx:
        return await database_now(tx)


def _check(definitions: Definitions, catalogue: Catalogue, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return the refusals and warnings of all definitions, located in their text."""
    try:
        drafted = draft(catalogue, definitions.all, definitions.sources).catalogue
    except OrderRefused as error:
        return {"refusals": [_view_fault(Fault("", problem, line=1)) for problem in error.problems], "warnings": []}
    publishable: list[Publishable] = [*definitions.cards, *definitions.campaigns]
    refusals, warnings = check_newest(drafted, [one.id for one in publishable], now)
    return {"refusals": _located(refusals, definitions), "warnings": _located(warnings, definitions)}


def _located(faults: Sequence[Fault], definitions: Definitions) -> list[dict[str, Any]]:
    """Return faults at their lines; that of a saved definition, which closes a cycle, at the beginning of the text."""
    sources = definitions.sources
    located = (sources[one.id].locate(one) if one.id in sources else replace(one, key="", line=1) for one in faults)
    return [_view_fault(fault) for fault in located]


def _view_fault(fault: Fault) -> dict[str, Any]:
    return {"line": fault.line, "key": fault.key, "problem": fault.problem, "id": fault.id}


def _matches(entry: Entry, words: Sequence[str]) -> bool:
    text = f"{entry.id} {_name(entry)}".casefold()
    return all(word in text for word in words)


def _view_target(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "kind": "card" if entry.is_card else "campaign", "name": _name(entry), "state": entry.state}


def _name(entry: Entry) -> str:
    definition = entry.newest.definition
    return definition.title if isinstance(definition, Card) else definition.name or ""
