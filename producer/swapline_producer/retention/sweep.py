"""Deletes what is on the ledger's list: names are leased, deleted, and confirmed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import StorageError
from swapline_producer.storage.base import is_key
from swapline_producer.storage.keys import INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.retention import Taken
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)

ROUND = 500
"""Names: a few requests of a thousand keys."""

LEASE = 1.5
"""Lease, in timeouts of one call: over before others try."""

BEGIN_BY = 0.4
"""Share of the time limit after which no deletion begins."""

TRIES = 3
"""Names tried singly before a store counts as away."""


class Sweep:
    """Deletes; several processes may at once."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        *,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout`: seconds of one call to the store."""
        self._timeout = timeout
        self._ledger = ledger
        self._storage = storage
        self._clock = clock

    def due(self, *, every: float | None = None) -> Taken:
        """Delete one round; return what is gone. Raises StorageError, LedgerUnavailable."""
        return self._delete(every=every)[0]

    def all_due(self) -> int:
        """Delete everything that is due; return the number of names."""
        number = 0
        while (taken := self.due()).names or taken.more:
            number += len(taken.names)
        return number

    def now(self, names: Sequence[str]) -> int:
        """Delete these of the list where no job needs them; return their number.

        Raises StorageError, after the others are deleted.
        """
        number = 0
        problems: list[StorageError] = []
        for first in range(0, len(names), ROUND):
            taken, problem = self._delete(only=names[first : first + ROUND])
            number += len(taken.names)
            problems += [problem] if problem else []
        if problems:
            raise problems[-1]
        return number

    def _delete(
        self, *, only: Sequence[str] | None = None, every: float | None = None
    ) -> tuple[Taken, StorageError | None]:
        # A process that was suspended here for long must not delete what has been stored anew since.
        until = self._clock() + BEGIN_BY * self._timeout
        taken = self._ledger.retention.take_unneeded(lease=LEASE * self._timeout, limit=ROUND, only=only, every=every)
        gone, problem = self._deleted(taken.names, until)
        taken = taken._replace(names=gone)
        self._ledger.retention.confirm_deleted(taken)
        return taken, problem

    def _deleted(self, names: list[str], until: float) -> tuple[list[str], StorageError | None]:
        """Delete what these names stand for, after an error one by one.

        Returns the names of which all is gone. Raises StorageError where none is.
        """
        if self._clock() >= until:
            return [], None
        try:
            self._delete_objects(names)
        except StorageError as error:
            return self._one_by_one(names, until, error)
        return names, None

    def _one_by_one(self, names: list[str], until: float, problem: StorageError) -> tuple[list[str], StorageError]:
        """Delete one object at a time after a bulk deletion failed; return those deleted."""
        deleted: list[str] = []
        failed: list[str] = []
        for name in names:
            if self._clock() >= until or (len(failed) >= TRIES and not deleted):
                break
            try:
                self._delete_objects([name])
                deleted.append(name)
            except StorageError as error:
                failed.append(name)
                problem = error
        if not deleted:
            raise problem
        log.warning("%s cannot be deleted now, and will be tried again: %s", ", ".join(failed), problem)
        return deleted, problem

    def _delete_objects(self, names: Sequence[str]) -> None:
        keys = [key for name in names for key in self._objects(name)]
        if keys:
            self._storage.delete(keys)

    def _objects(self, name: str) -> Iterator[str]:
        if not is_key(name):
            return
        if name.startswith(f"{INPUTS}/"):
            yield name
        else:
            for found in self._storage.list(name):
                yield found.key
