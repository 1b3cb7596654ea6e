"""Which installation a store belongs to: its first user writes `owner.json`.

In another's store all objects would look like orphans.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import orjson

from swapline_producer.errors import ObjectMissing, WrongOwner
from swapline_producer.storage.keys import OWNER

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

ADVICE = (
    "Check SWAPLINE_STORAGE_URL, SWAPLINE_REDIS_URL and SWAPLINE_KEY_PREFIX: workers and producers must have the same."
    " If the store is meant, say `swapline janitor --adopt`."
)


def check_store(ledger: Ledger, storage: Storage, *, adopt: bool = False, dry: bool = False) -> None:
    """Check that the store belongs to this ledger; a new one, or one to `adopt`, gets its name.

    Raises WrongOwner, StorageUnavailable.
    """
    mine, has_store = ledger.accounts.installation(None if dry else secrets.token_hex(8))
    mark = orjson.dumps({"installation": mine})
    if adopt and not dry:
        storage.put(OWNER, mark, "application/json")
    found = _read(storage)
    if found is None and not has_store:
        if dry:
            return
        storage.put_once(OWNER, mark, "application/json")  # of several at once, one writes
        found = _read(storage)
    if found == mark:
        if not has_store and not dry:
            ledger.accounts.has_store()
    elif not adopt:
        raise WrongOwner(_sentence(found))


def _read(storage: Storage) -> bytes | None:
    try:
        return storage.get(OWNER)
    except ObjectMissing:
        return None


def _sentence(found: bytes | None) -> str:
    if found is None:
        return f"The store has no {OWNER}, and this installation has a store already: it is another one. {ADVICE}"
    return f"The store belongs to another installation ({OWNER}), or the ledger is new. {ADVICE}"
