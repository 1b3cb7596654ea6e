"""Pictures of jobs in object storage: what a step reads, writes and deletes."""

from __future__ import annotations

import hashlib
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pybase64

from swapline_producer.contract import LinkedImage
from swapline_producer.errors import ObjectMissing, StorageError
from swapline_producer.storage import LONGEST_URL_LIFE, Move, Seal
from swapline_producer.storage.keys import RECEIPT, receipt_key, result_folder, staged_key, staging_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.contract import Job, JobSpec, StoredImage
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)

PNG = "image/png"
JSON = "application/json"

IN_HAND = 8
"""Jobs at a time: half of a worker's sixteen threads, so that a store that hangs leaves the other half for the vendor;
of 4 MB pictures they hold about 100 MB, of the largest replies (64 MiB and their pictures) not quite a gigabyte."""

PATIENCE = 0.5
"""Seconds to wait for room: a picture takes a tenth of that while the store is well, and half of it on a busy machine.
Longer means that the store is not well; the look that found the pictures is made again then."""


class PictureStore:
    """The port `Pictures` over any storage. Every name follows from the job, so doing it twice is doing it once."""

    def __init__(self, storage: Storage, *, url_life: float = LONGEST_URL_LIFE, in_hand: int = IN_HAND) -> None:
        """Keep the storage. `url_life` is seconds that a result's URL works; `in_hand` jobs have pictures in memory."""
        self._storage = storage
        self._url_life = url_life
        self._room = threading.BoundedSemaphore(in_hand)

    @contextmanager
    def room(self) -> Iterator[bool]:
        """Have pictures of one job in memory; False when others have taken all the room there is."""
        there_is = self._room.acquire(timeout=PATIENCE)
        try:
            yield there_is
        finally:
            if there_is:
                self._room.release()

    def input_text(self, spec: JobSpec) -> str:
        """Give the input as the vendor wants it: standard base64 of the stored bytes, or the URL.

        Raises ObjectMissing when the input is gone or is no longer what was stored, StorageUnavailable.
        """
        image = spec.image
        return image.url if isinstance(image, LinkedImage) else self.encoded(image)

    def encoded(self, image: StoredImage) -> str:
        """Give a stored input as base64. Raises ObjectMissing, StorageUnavailable."""
        data = self._storage.get(image.key)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise ObjectMissing(f"{image.key} no longer holds the picture that was stored there; enqueue it again.")
        return pybase64.b64encode_as_string(data)

    def stage(self, job: Job, pictures: list[bytes]) -> None:
        """Write decoded pictures; the last one last, so that all are there when it is."""
        for number, picture in enumerate(pictures):
            self._storage.draft(staged_key(job.job_id, number), picture, PNG)

    def staged(self, job: Job, number: int) -> bytes:
        """Read one staged picture, counted from 0. Raises ObjectMissing, StorageUnavailable."""
        return self._storage.get(staged_key(job.job_id, number))

    def key_of(self, job: Job, number: int) -> str:
        """Give the name of a result, counted from 0."""
        return f"{result_folder(job)}/{number}.png"

    def publish(self, job: Job, receipt: bytes) -> bool:
        """Make the staged pictures results, as they were checked, and write the receipt. No byte is copied.

        Gives whether nothing is left in staging. Raises ObjectMissing when one is gone or has another size,
        StorageUnavailable.
        """
        moves = [Move(str(number), f"{number}.png", known.bytes) for number, known in enumerate(job.checked)]
        return self._storage.publish(
            staging_folder(job.job_id), result_folder(job), moves, Seal(RECEIPT, receipt, JSON)
        )

    def store(self, job: Job, number: int, picture: bytes) -> str:
        """Write one result, counted from 0; give its key. Raises StorageUnavailable."""
        key = self.key_of(job, number)
        self._storage.put(key, picture, PNG)
        return key

    def write_receipt(self, job: Job, receipt: bytes) -> None:
        """Write `receipt.json` beside the results. Raises StorageUnavailable."""
        self._storage.put(receipt_key(job), receipt, JSON)

    def unstage(self, job: Job) -> None:
        """Delete what was staged. Never raises: what stays is the janitor's."""
        try:
            self._storage.delete(self._staged_keys(job))
        except StorageError as error:
            log.warning("staging of job %s stays for the janitor: %s", job.job_id, error)

    def discard(self, job: Job) -> None:
        """Delete what was staged and stored, the receipt as well. Never raises: what stays is the janitor's."""
        self.unstage(job)
        try:
            self._storage.delete([found.key for found in self._storage.list(result_folder(job))])
        except StorageError as error:
            log.warning("the dropped result of job %s stays for the janitor: %s", job.job_id, error)

    def _staged_keys(self, job: Job) -> list[str]:
        if job.staged:
            return [staged_key(job.job_id, number) for number in range(job.staged)]
        # The job never learnt how many there are: a try was cut off between staging and the ledger.
        return [found.key for found in self._storage.list(staging_folder(job.job_id))]

    def url(self, key: str) -> str:
        """Give an address under which a receiver can fetch a result. Raises StorageUnavailable."""
        return self._storage.url(key, self._url_life)
