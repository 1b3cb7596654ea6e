"""The jobs that this process's threads work on."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Leases:
    """At most one job or batch for each thread. Thread-safe."""

    def __init__(self) -> None:
        """Begin without leases."""
        self._leased: dict[int, tuple[str, int]] = {}
        self._written: dict[int, str] = {}
        self._paying: dict[int, str] = {}
        self.draining = False
        """No lease and no paid call may begin."""

    @contextmanager
    def lease(self, record_id: str, version: int) -> Generator[None]:
        """Lease a job to this thread for a block."""
        thread = threading.get_ident()
        self._leased[thread] = (record_id, version)
        try:
            yield
        finally:
            del self._leased[thread]
            self._paying.pop(thread, None)

    def moved(self, record_id: str, version: int) -> None:
        """Note its job's version after this thread's write."""
        self._leased[threading.get_ident()] = (record_id, version)

    @contextmanager
    def writing(self, record_id: str) -> Generator[None]:
        """Mark a write: until its reply, the job may be at its next version."""
        thread = threading.get_ident()
        self._written[thread] = record_id
        try:
            yield
        finally:
            del self._written[thread]

    def begin_paying(self, token: str) -> bool:
        """Note a paid call by this thread, and the token of its attempt; False while draining."""
        self._paying[threading.get_ident()] = (
            token  # before `draining` is read: it is set before paid calls are counted
        )
        return not self.draining

    def end_paying(self) -> None:
        """Note that this thread's paid call does not begin yet."""
        self._paying.pop(threading.get_ident(), None)

    def settles(self) -> str:
        """Return the token of this thread's attempt, to the first write that follows; else an empty one."""
        thread = threading.get_ident()
        token = self._paying.get(thread, "")
        if token:
            self._paying[thread] = ""
        return token

    def is_paying(self, token: str) -> bool:
        """Whether the call of an attempt is under way."""
        return token in list(self._paying.values())

    def restored(self, token: str, record_id: str, version: int) -> None:
        """Note the version of a job whose attempt was written again, if its call is still under way."""
        for thread, one in list(self._paying.items()):
            if one == token:
                self._leased[thread] = (record_id, version)

    def all(self) -> list[tuple[str, int]]:
        """Return what is leased: (job id, version)."""
        return list(self._leased.values())

    def version_of(self, record_id: str) -> int | None:
        """Return the highest version that a thread has, or None."""
        return max((version for mine, version in self.all() if mine == record_id), default=None)

    def is_written(self, record_id: str) -> bool:
        """Whether a write of a job is under way."""
        return record_id in list(self._written.values())

    @property
    def paying(self) -> int:
        """The number of paid calls whose replies are not written."""
        return len(self._paying)
