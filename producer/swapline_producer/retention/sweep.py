"""Deletes what is on the ledger's list: inputs whose last job has ended, results that are over or that no job has.

Names are taken for a lease, deleted, and confirmed; those of a killed process are left to the next. All names
of a round go in one request where the store can do that, so a job costs a small part of one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from swapline_producer.storage.keys import INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.retention import Taken
    from swapline_producer.storage import Storage

ROUND = 500
"""Names of one round: with a handful of objects each, a few requests of a thousand keys."""

LEASE = 1.5
"""Times what one call to the store may take: it is over before others try."""

BEGIN_BY = 0.4
"""Times the same: a deletion begins so soon after its names were taken, or not at all."""


class Sweep:
    """Deletes; may be used by several processes at once."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        *,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the parts. `timeout` is seconds that one call to the store may take."""
        self._timeout = timeout
        self._ledger = ledger
        self._storage = storage
        self._clock = clock

    def due(self, *, every: float | None = None) -> Taken:
        """Delete one round of what is due; give what it was. Raises StorageError, LedgerUnavailable."""
        return self._delete(every=every)

    def all_due(self) -> int:
        """Delete everything that is due; give how many names that were."""
        number = 0
        while (taken := self._delete()).names or taken.more:
            number += len(taken.names)
        return number

    def now(self, names: Sequence[str]) -> int:
        """Delete these of the list, due or not, where no job needs them; return how many."""
        number = 0
        for first in range(0, len(names), ROUND):
            number += len(self._delete(only=names[first : first + ROUND]).names)
        return number

    def _delete(self, *, only: Sequence[str] | None = None, every: float | None = None) -> Taken:
        began = self._clock()
        taken = self._ledger.take_unneeded(lease=LEASE * self._timeout, limit=ROUND, only=only, every=every)
        keys = [key for name in taken.names for key in self._objects(name)]
        # A process that was suspended here for long must not delete what has been stored anew since.
        if self._clock() - began < BEGIN_BY * self._timeout:
            if keys:
                self._storage.delete(keys)
            self._ledger.confirm_deleted(taken)
        return taken

    def _objects(self, name: str) -> Iterator[str]:
        if name.startswith(f"{INPUTS}/"):
            yield name
        else:
            for found in self._storage.list(name):
                yield found.key
