"""Producer: what a backend uses to give jobs to Swapline and to hear of them."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Self

import orjson

from swapline_producer.broker import mail_for
from swapline_producer.change import NewJob
from swapline_producer.contract import Frozen, ImageRef, JobSpec, LinkedImage, Step, StoredImage, SwapRequest, Ticket
from swapline_producer.errors import SettingsError
from swapline_producer.images import Link, read_image
from swapline_producer.ledger import Ledger, connect
from swapline_producer.oncall import OnCall
from swapline_producer.settings import ProducerSettings, load
from swapline_producer.storage import open_storage

if TYPE_CHECKING:
    from swapline_producer.broker import Outbox
    from swapline_producer.contract import Job, JobEvent
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)


class Enqueued(Frozen):
    """A job that will end, whatever happens. `created` is false where an idempotency key found an earlier one."""

    job_id: str
    created: bool


class Producer:
    """Gives jobs to Swapline. One for each process is enough; it may be used from several threads."""

    def __init__(self, settings: ProducerSettings, ledger: Ledger, mail: Outbox, storage: Storage | None) -> None:
        """Keep the parts; `connect` and `from_env` build them."""
        self.settings = settings
        self.ledger = ledger
        self.on_call = OnCall(ledger, mail)
        self._mail = mail
        self._storage = storage

    @classmethod
    def connect(cls, settings: ProducerSettings) -> Self:
        """Build a producer from settings. Nothing is connected before it is used."""
        ledger = Ledger(connect(settings.redis_url), settings.key_prefix, keep=settings.job_ttl)
        storage = open_storage(settings.storage_url) if settings.storage_url else None
        return cls(settings, ledger, mail_for(settings), storage)

    @classmethod
    def from_env(cls) -> Self:
        """Build a producer from `SWAPLINE_*` in the environment and `.env`. Raises SettingsError."""
        return cls.connect(load(ProducerSettings))

    def enqueue(self, request: SwapRequest) -> Enqueued:
        """Check a request, store its picture, write the job and tell the workers.

        Returns once the job is in the ledger: from then on it ends, come what may. Raises RequestError (nothing was
        stored), StorageError, IdempotencyConflict or LedgerUnavailable (ask again with an idempotency key to be sure).
        """
        spec = self._spec(request)
        record = spec.model_dump(mode="json", exclude_none=True)
        fingerprint = hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
        new = NewJob(
            job_id=_new_job_id(),
            spec=record,
            queue_ttl=request.queue_ttl or self.settings.queue_ttl,
            run_timeout=request.run_timeout or self.settings.run_timeout,
        )
        job_id, created = self.ledger.accept(new, fingerprint=fingerprint)
        if created:
            self._mail.send([Ticket(step=Step.SUBMIT, job_id=job_id, turn=1)])
        return Enqueued(job_id=job_id, created=created)

    def get(self, job_id: str) -> Job:
        """Read a job. Raises JobNotFound."""
        return self.ledger.get(job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first."""
        return self.ledger.events(job_id)

    def wait(self, job_id: str, timeout: float = 3600.0) -> Job:
        """Wait until a job has finished, by the ledger's notification. Raises JobNotFound, TimeoutError."""
        give_up_at = time.monotonic() + timeout
        with self.ledger.watching(job_id) as heard:
            while not (job := self.ledger.get(job_id)).state.finished:
                left = give_up_at - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"Job {job_id} is still {job.state} after {timeout:g} s; it goes on.")
                heard(min(left, 5.0))  # notifications can get lost with a connection: look every 5 s all the same
        return job

    def _spec(self, request: SwapRequest) -> JobSpec:
        found = read_image(request.image, allow_private=self.settings.webhook_allow_private)
        image: ImageRef
        if isinstance(found, Link):
            image = LinkedImage(url=found.url)
        else:
            if self._storage is None:
                raise SettingsError("SWAPLINE_STORAGE_URL is missing; set it to the place where pictures are stored.")
            image = StoredImage(
                sha256=found.sha256,
                media_type=found.media_type,
                width=found.width,
                height=found.height,
                size=len(found.data),
            )
            self._storage.put_once(image.key, found.data, found.media_type)
        return JobSpec.model_validate({**request.model_dump(exclude={"image"}), "image": image})


def _new_job_id() -> str:
    """32 hex digits: 48 bits of time, so that ids sort by age, and 80 of chance, so that nobody guesses one."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
