"""Check definitions by themselves, or as the newest ones of a catalogue, without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.catalogue.dependencies import cycle_problems
from connector.rules.model.campaigns import AnyDefinition, Workspace
from connector.rules.model.errors import Fault
from connector.rules.publishing.drafting import settings_problems
from connector.rules.publishing.lints import refusals, warnings


def check_alone(definitions: Sequence[AnyDefinition], now: datetime) -> tuple[list[Fault], list[Fault]]:
    """Return why `apply` and `publish` would refuse these definitions (P3, P6, P7), and their surprises (P8).

    Targets are looked up among the definitions. The `id` of a fault of the workspace is ''.

    Args:
        definitions: at most one of each id, and at most one workspace.
        now: UTC; an `end` may have passed.
    """
    settings = [one for one in definitions if isinstance(one, Workspace)]
    named = [one for one in definitions if not isinstance(one, Workspace)]
    entries = [Entry(one.id, "draft", (Revision(1, one),)) for one in named]
    catalogue = Catalogue().with_entries(entries, version=1, workspace=settings[0] if settings else None)
    problems = [replace(fault, id="") for one in settings for fault in settings_problems(one)]
    refused, surprises = check_newest(catalogue, [entry.id for entry in entries], now)
    return [*problems, *refused], surprises


def check_newest(catalogue: Catalogue, ids: Sequence[str], now: datetime) -> tuple[list[Fault], list[Fault]]:
    """Return why `publish` would refuse the newest revisions of these ids (P3, P6, P7), and its warnings (P8).

    The problem of a cycle may be that of another campaign, which is live.

    Args:
        now: UTC; an `end` may have passed.
    """
    newest = {id: catalogue.entries[id].newest for id in ids}
    problems = [fault for one in newest.values() for fault in refusals(one.definition, catalogue, now)]
    surprises = [fault for one in newest.values() for fault in warnings(one.definition, catalogue, now)]
    return [*problems, *cycle_problems(catalogue, newest)], surprises
