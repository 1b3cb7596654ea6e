"""The janitor: finds objects that no record needs and that no process could list for `sweep.py`.

Of the objects older than SAFE_AGE these are orphans:

  an input      without a job and a hold in the ledger;
  a result      of a purged job, of one that ended without pictures, without receipt and record,
                or older than RESULT_TTL.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING

from swapline_producer.errors import StorageError
from swapline_producer.retention.store_owner import check_store
from swapline_producer.storage.keys import AREAS, FOLDER_PARTS, INPUTS, RECEIPT, RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage, StoredObject

SAFE_AGE = 3600.0
"""Seconds: far longer than between any object and its record."""

PART = 1000
"""Objects of one request to a bucket."""

PAGE = 200
"""Names of one round trip."""

SHOWN = 5


@dataclass(slots=True)
class Findings:
    """Objects examined, and orphans by their area."""

    examined: int = 0
    orphans: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)
    abandoned: int = 0
    """Unfinished files of killed writers."""
    odd: list[str] = field(default_factory=list)
    """Names that are no keys of ours."""
    cut_short: bool = False


class Janitor:
    """`wall` returns seconds since the epoch."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        *,
        result_ttl: float | None,
        safe_age: float = SAFE_AGE,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Younger objects (seconds) are left alone."""
        self._ledger = ledger
        self._storage = storage
        self._result_ttl = result_ttl
        self._safe_age = safe_age
        self._wall = wall

    def check_owner(self, *, adopt: bool = False, dry: bool = False) -> None:
        """Check that the store belongs to this ledger. Raises as `check_store`."""
        check_store(self._ledger, self._storage, adopt=adopt, dry=dry)

    def next_part(self) -> Findings:
        """List the orphans of the next part for deletion."""
        findings = Findings()
        problems = [problem for area in AREAS if (problem := self._next_of(area, findings))]
        self._ledger.retention.add_unneeded(findings.names)
        if problems:
            raise problems[0]
        return findings

    def _next_of(self, area: str, findings: Findings) -> StorageError | None:
        """An area that cannot be read holds up no other."""
        try:
            last = self._examine(area, self._ledger.retention.crawled_to(area), PART, findings)
        except StorageError as error:
            return error
        self._ledger.retention.crawled_to(area, last or "")
        return None

    def abandoned(self) -> int:
        """Delete killed writers' unfinished files; return their number."""
        return self._storage.abandoned(self._safe_age)

    def everything(self, *, limit: int, dry: bool) -> Findings:
        """Examine at most `limit` objects from the beginning; list orphans unless `dry`."""
        findings = Findings()
        for area in AREAS:
            room = limit - findings.examined
            if room > 0:
                findings.cut_short |= self._examine(area, "", room, findings) is not None
        if not dry:
            self._ledger.retention.add_unneeded(findings.names)
            findings.abandoned = self.abandoned()
        return findings

    def _examine(self, area: str, after: str, limit: int, findings: Findings) -> str | None:
        """Examine a part of an area; return the key to go on after, or None."""
        judge = {INPUTS: self._inputs, RESULTS: self._results}[area]
        found = list(islice(self._storage.list(area, after=after, odd=findings.odd), limit))
        findings.examined += len(found)
        for page in _pages([one for one in found if one.size]):  # an empty object is a console's folder marker
            for name, objects in judge(page):
                findings.names.append(name)
                findings.orphans[area] += objects
        return found[-1].key if len(found) == limit else None

    def _is_old(self, one: StoredObject, age: float | None = None) -> bool:
        return one.modified_at < (self._wall() - (self._safe_age if age is None else age)) * 1000

    def _inputs(self, found: Iterable[StoredObject]) -> Iterator[tuple[str, int]]:
        digests = [one.key.partition("/")[2] for one in found if self._is_old(one)]
        for digest in self._ledger.retention.unknown_inputs(digests):
            yield f"{INPUTS}/{digest}", 1

    def _results(self, found: Iterable[StoredObject]) -> Iterator[tuple[str, int]]:
        """Yield folders of results that no job needs, with their numbers of objects."""
        folders = {
            folder: list(objects)
            for folder, objects in groupby(found, partial(_folder, parts=FOLDER_PARTS))
            if folder.count("/") == FOLDER_PARTS - 1
        }
        known = self._ledger.retention.orphan_facts([folder.rpartition("/")[2] for folder in folders])
        for (folder, objects), facts in zip(folders.items(), known, strict=True):
            old = all(map(self._is_old, objects))
            over = self._result_ttl is not None and all(self._is_old(one, self._result_ttl) for one in objects)
            nobodys = facts.state is None and (facts.purged or self._storage.head(f"{folder}/{RECEIPT}") is None)
            fruitless = facts.state is not None and facts.state.finished and not facts.pictures
            if old and (over or nobodys or fruitless):
                yield folder, len(objects)


def sample(names: Sequence[str]) -> str:
    """Return the first of many names, odd characters escaped."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def _pages(found: list[StoredObject]) -> Iterator[list[StoredObject]]:
    for first in range(0, len(found), PAGE):
        yield found[first : first + PAGE]


def _folder(one: StoredObject, parts: int) -> str:
    return "/".join(one.key.split("/")[:parts])
