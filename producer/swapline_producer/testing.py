"""Fakes for tests. Each passes the same conformance suite as the real thing.

producer = FakeProducer()
enqueued = producer.enqueue(SwapRequest(image=Path("me.jpg"), gender=1, filter_id=12))
producer.succeed(enqueued.job_id)
"""

from __future__ import annotations

import hashlib
import struct
import threading
import time
import zlib
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from swapline_producer.contract import FailureCode, Job, State, StoredPicture, transitions
from swapline_producer.contract.answers import Advanced
from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_producer.ledger.memory import MemoryLedger
from swapline_producer.producer import Enqueued, Producer
from swapline_producer.settings import ProducerSettings
from swapline_producer.storage import LONGEST_URL_LIFE, Storage, StoredObject, checked_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
    from typing import Any

    from swapline_producer.client.batches.bulk import Result
    from swapline_producer.contract import StepMessage, SwapRequest
    from swapline_producer.contract.changes import Change
    from swapline_producer.ledger import Ledger


class FakeProducer(Producer):
    """A Producer without Redis, workers or a vendor.

    A job stays QUEUED until `start`, `succeed`, `fail` or `cancel`; with `at_once` it succeeds on enqueueing.
    """

    def __init__(self, settings: ProducerSettings | None = None, *, at_once: bool = False) -> None:
        """Read nothing from the environment."""
        self._memory = MemoryLedger()
        self._pictures = memory_storage()
        self._at_once = at_once
        ledger = cast("Ledger", self._memory)  # the part of it that a producer uses
        super().__init__(settings or ProducerSettings.model_construct(), ledger, _Drawer(), self._pictures)
        self._store_is_ours = True

    def enqueue(self, request: SwapRequest) -> Enqueued:
        """See `Producer.enqueue`."""
        enqueued = super().enqueue(request)
        if self._at_once and enqueued.created:
            self.succeed(enqueued.job_id)
        return enqueued

    def enqueue_many(self, requests: Iterable[SwapRequest | Mapping[str, Any]]) -> Iterator[Result]:
        """See `Producer.enqueue_many`."""
        for result in super().enqueue_many(requests):
            if self._at_once and result.created and result.job_id:
                self.succeed(result.job_id)
            yield result

    def start(self, job_id: str) -> Job:
        """Have the vendor charge a QUEUED job. Raises JobNotFound, ValueError."""
        job = self._in(job_id, State.QUEUED)
        vendor_job_id = f"fake-{job_id}"
        change = transitions.submitted(job.model_copy(update={"attempts": 1}), vendor_job_id, "IN_PROGRESS", poll_in=0)
        return self._move(job, change)

    def succeed(self, job_id: str, *pictures: bytes) -> Job:
        """Complete a job with these PNGs, by default a grey one. Raises JobNotFound, ValueError.

        A job that is to be canceled ends CANCELED.
        """
        job = self._running(job_id)
        completed = transitions.completed(job, rescue_after=0, service_times={}, detection_delay=0)
        storing = self._move(job, completed)
        if storing.state.finished:
            return storing
        size = job.spec.expected_size
        images = tuple(self._stored(job, *pair, size) for pair in enumerate(pictures or (_grey(*size),)))
        return self._move(storing, transitions.succeeded(storing, images, rescue_after=0))

    def fail(self, job_id: str, code: FailureCode = FailureCode.VENDOR_FAILED, detail: str = "failed by a test") -> Job:
        """Fail a job; one that is to be canceled ends CANCELED. Raises as `succeed`."""
        job = self._running(job_id)
        return self._move(job, transitions.failed(job, code, detail, rescue_after=0))

    def _running(self, job_id: str) -> Job:
        job = self.get(job_id)
        return self.start(job_id) if job.state is State.QUEUED else self._in(job_id, State.RUNNING)

    def _in(self, job_id: str, state: State) -> Job:
        job = self.get(job_id)
        if job.state is not state:
            raise ValueError(f"Job {job_id} is {job.state}, not {state}.")
        return job

    def _move(self, job: Job, change: Change) -> Job:
        advanced = self._memory.advance(job, transitions.canceled_instead(job, change))
        if isinstance(advanced, Advanced):
            return advanced.job
        raise ValueError(f"Job {job.job_id} was moved by another thread in this moment.")

    def _stored(self, job: Job, number: int, picture: bytes, size: tuple[int, int]) -> StoredPicture:
        key = f"results/{job.tenant}/{job.job_id}/{number}.png"
        self._pictures.put(key, picture, "image/png")
        width, height = struct.unpack(">II", picture[16:24]) if picture[12:16] == b"IHDR" else size
        digest = hashlib.sha256(picture).hexdigest()
        return StoredPicture(key=key, sha256=digest, bytes=len(picture), width=width, height=height)


class _Drawer:
    """A publisher without workers."""

    def send(self, messages: Sequence[StepMessage]) -> bool:  # noqa: ARG002 -- the protocol's shape
        return True


def _grey(width: int, height: int) -> bytes:
    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits a pixel, grey, not interlaced
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def memory_storage() -> Storage:
    """Return a new, empty, thread-safe object store in memory."""
    return _MemoryStorage()


class _MemoryStorage:
    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002 -- the protocol's shape
        with self._lock:
            self._objects[checked_key(key)] = bytes(data), time.time_ns() // 1_000_000

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 -- the protocol's shape
        with self._lock:
            new = bytes(data), time.time_ns() // 1_000_000
            there = self._objects.setdefault(checked_key(key), new)
        if len(there[0]) != len(data):
            raise StorageUnavailable(f"{key} in memory already holds something else; look, then delete it.")
        return there is new

    def get(self, key: str) -> bytes:
        try:
            return self._objects[checked_key(key)][0]
        except KeyError:
            raise ObjectMissing(f"There is no {key} in memory.") from None

    def head(self, key: str) -> int | None:
        found = self._objects.get(checked_key(key))
        return None if found is None else len(found[0])

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._objects.pop(checked_key(key), None)

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:  # noqa: ARG002 -- the protocol's shape
        return "memory:///" + quote(checked_key(key))

    def abandoned(self, older_than: float) -> int:  # noqa: ARG002 -- the protocol's shape
        return 0

    def list(
        self,
        prefix: str = "",
        *,
        after: str = "",
        odd: MutableSequence[str] | None = None,  # noqa: ARG002 -- none can be stored here
    ) -> Iterator[StoredObject]:
        below = checked_key(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        for key, (data, modified_at) in sorted(self._objects.items()):
            if key.startswith(below) and key > after:
                yield StoredObject(key, len(data), modified_at)
