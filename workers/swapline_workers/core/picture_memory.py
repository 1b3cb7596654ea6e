"""Pictures between vendor and store, in memory, for a bounded number of jobs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swapline_producer.contract import Job, StoredPicture, StoredVariant

PLACE_WAIT_S = 0.5
"""A picture takes 0.05 to 0.25; later the job is retried."""


class Other(NamedTuple):
    """A variant, or the vendor's own where another is published."""

    known: StoredVariant
    data: bytes


class Picture(NamedTuple):
    """A picture that was read and checked."""

    known: StoredPicture
    data: bytes
    others: tuple[Other, ...] = ()
    finished: bool = False
    """Whether its variants and marks are made."""
    warnings: tuple[str, ...] = ()

    @property
    def files(self) -> list[tuple[str, bytes]]:
        """Names and bytes of its files, itself first."""
        return [(self.known.key, self.data), *((other.known.key, other.data) for other in self.others)]


Binding = tuple[str, str | None, int]
"""Job id, id at the vendor, version."""


def binding_of(job: Job) -> Binding:
    """Return what a job's pictures are bound to."""
    return job.job_id, job.vendor_job_id, job.version


@dataclass(slots=True)
class Place:
    """Room for the pictures of one job."""

    binding: Binding
    pictures: tuple[Picture, ...] = ()
    waits: float | None = None
    """Seconds until the job comes for its pictures; None where it will not."""

    def keep(self, job: Job, pictures: tuple[Picture, ...], waits: float = 0.0) -> None:
        """Keep pictures until the job, at this version, comes in `waits` seconds."""
        self.binding, self.pictures, self.waits = binding_of(job), pictures, waits


class PictureMemory:
    """A number of places. Thread-safe."""

    def __init__(self, places: int, *, kept_for: float, clock: Callable[[], float] = time.monotonic) -> None:
        """A place expires `kept_for` seconds after its job is expected."""
        self.used = True
        """Whether this process stores pictures; others do not read them."""
        self._room = threading.BoundedSemaphore(places)
        self._kept_for = kept_for
        self._clock = clock
        self._waiting: dict[str, tuple[float, Place]] = {}
        self._lock = threading.Lock()

    def has(self, job: Job) -> bool:
        """Whether the pictures of a job, at this version, are here."""
        with self._lock:
            until, place = self._waiting.get(job.job_id, (0.0, None))
        return place is not None and place.binding == binding_of(job) and self._clock() < until

    @contextmanager
    def place(self, job: Job) -> Iterator[Place | None]:
        """Take a job's place, or a new one; None where there is no room.

        Free afterwards, unless `keep` was called or the block raised.
        """
        place = self._taken(job)
        if place is None and not self._room.acquire(timeout=PLACE_WAIT_S):
            yield None
            return
        place = place or Place(binding_of(job))
        place.waits = None
        try:
            yield place
        except Exception:
            if place.pictures and place.waits is None:
                place.waits = 0.0
            raise
        finally:
            self._left(place)

    def _taken(self, job: Job) -> Place | None:
        with self._lock:
            self._give_up_old_places()
            _, place = self._waiting.pop(job.job_id, (0.0, None))
        if place is None or place.binding == binding_of(job):
            return place
        self._room.release()
        return None

    def _left(self, place: Place) -> None:
        """Free a place, or keep it until its job comes."""
        if place.waits is None:
            self._room.release()
            return
        with self._lock:
            before = self._waiting.get(place.binding[0])
            self._waiting[place.binding[0]] = (self._clock() + place.waits + self._kept_for, place)
        if before is not None:
            self._room.release()

    def _give_up_old_places(self) -> None:
        now = self._clock()
        for job_id in [job_id for job_id, (until, _) in self._waiting.items() if until <= now]:
            del self._waiting[job_id]
            self._room.release()
