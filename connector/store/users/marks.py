"""Marks of erased users: keyed hashes of their ids and addresses, which no request can address (guarantee 8).

A mark is HMAC-SHA256 with a secret of the installation. It shows whether one given id or address was erased,
and nothing else: no row links it to a surrogate key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select

from connector.rules.model.addresses import canonical_address, earlier_forms
from connector.store.engine.bulk import in_set, insert_into
from connector.store.engine.mark_secrets import make_mark
from connector.store.engine.transaction import Transaction
from connector.store.tables import erased_users

_T = TypeVar("_T")

Address = tuple[str, str]
"""A channel, and an address on it."""


async def mark_erased(tx: Transaction, ids: Iterable[str], addresses: Iterable[Address], now: datetime) -> None:
    """Mark these ids and addresses as erased; those that are marked already stay as they are."""
    secret = (await tx.mark_secrets.load(tx.connection))[0]
    canonical = ((channel, canonical_address(channel, address)) for channel, address in addresses)
    texts = [*map(_id_text, ids), *(_address_text(*address) for address in canonical)]
    rows = [
        {"workspace": tx.workspace, "mark": make_mark(secret, text), "erased_at": now} for text in sorted(set(texts))
    ]
    if rows:
        await tx.execute(insert_into(tx, erased_users).on_conflict_do_nothing(), rows)


async def find_erased_ids(tx: Transaction, ids: Collection[str]) -> set[str]:
    """Return those of these ids that were erased."""
    return (await find_erased(tx, ids, ()))[0]


async def find_erased(
    tx: Transaction, ids: Collection[str], addresses: Collection[Address]
) -> tuple[set[str], set[Address]]:
    """Return those of these ids, and those of these addresses in canonical form, that were erased; in one statement."""
    if not ids and not addresses:
        return set(), set()
    of_ids = await _by_mark(tx, {_id_text(id): id for id in ids})
    canonical = {(channel, canonical_address(channel, address)) for channel, address in addresses}
    forms = {
        _address_text(channel, form): (channel, address)
        for channel, address in canonical
        for form in earlier_forms(channel, address)
    }
    of_addresses = await _by_mark(tx, forms)
    table = erased_users.c
    where = (tx.in_workspace(erased_users), in_set(tx, table.mark, [*of_ids, *of_addresses]))
    found = set((await tx.execute(select(table.mark).where(*where))).scalars())
    return {of_ids[mark] for mark in found & of_ids.keys()}, {
        of_addresses[mark] for mark in found & of_addresses.keys()
    }


async def possible_marks(tx: Transaction, ids: Collection[str]) -> dict[str, list[str]]:
    """Return the marks that each of these ids has if it was erased, one for each secret."""
    secrets = await tx.mark_secrets.load(tx.connection)
    return {id: [make_mark(secret, _id_text(id)) for secret in secrets] for id in ids}


async def ids_by_pseudonym(tx: Transaction, provider_ids: Collection[str]) -> dict[str, str]:
    """Return the ids of which these are the pseudonyms: what replaced providers' ids for messages of erased users."""
    return await _by_mark(tx, {_provider_text(id): id for id in provider_ids})


async def make_pseudonym(tx: Transaction, provider_id: str) -> str:
    """Return what replaces a provider's id for a message of an erased user, so that late reports still match it."""
    return make_mark((await tx.mark_secrets.load(tx.connection))[0], _provider_text(provider_id))


async def _by_mark(tx: Transaction, texts: Mapping[str, _T]) -> dict[str, _T]:
    secrets = await tx.mark_secrets.load(tx.connection)
    return {make_mark(secret, text): value for text, value in texts.items() for secret in secrets}


def _id_text(external_id: str) -> str:
    """Return what the mark of an id is made of: its hash, by which earlier versions knew erased users."""
    return hashlib.sha256(external_id.encode(errors="surrogatepass")).hexdigest()


def _address_text(channel: str, form: str) -> str:
    """Return what the mark of an address is made of; the colon keeps it apart from the hash of an id."""
    return f"{channel}:{form}"


def _provider_text(provider_id: str) -> str:
    return f"provider:{provider_id}"
