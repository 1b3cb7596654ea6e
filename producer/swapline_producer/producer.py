"""Producer: what a backend uses to give jobs to Swapline and to hear of them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Self

import orjson

from swapline_producer.client.async_waiting import CompletionListener
from swapline_producer.client.bulk import Bulk
from swapline_producer.client.cancel import cancel
from swapline_producer.client.images import Link, is_link, read_image
from swapline_producer.client.tenant_view import TenantView
from swapline_producer.client.trace_context import current_traceparent
from swapline_producer.client.waiting import as_completed
from swapline_producer.contract import (
    Frozen,
    ImageRef,
    JobSpec,
    LinkedImage,
    StoredImage,
    SwapOptions,
    SwapRequest,
    checked,
)
from swapline_producer.contract.changes import NewJob
from swapline_producer.contract.trace_ids import kept
from swapline_producer.errors import RequestError, SettingsError, StorageUnavailable
from swapline_producer.ledger import AcceptRequest, Ledger, open_ledger
from swapline_producer.messaging.publisher import CeleryPublisher
from swapline_producer.operations.recovery import Recovery
from swapline_producer.pictures.prepare import Preparation
from swapline_producer.retention.store_owner import check_store
from swapline_producer.settings import ProducerSettings, load
from swapline_producer.storage import open_storage
from swapline_producer.webhooks.addresses import check_webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from swapline_producer.client.bulk import Result
    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.contract import Job, JobEvent, StoredPicture
    from swapline_producer.contract.changes import Sealed
    from swapline_producer.messaging.publisher import Publisher
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)

BEING_DELETED = 10.0
"""Seconds to wait for a deletion of the same picture; longer means that who deleted it was killed."""


class Enqueued(Frozen):
    """A job that will end, whatever happens. `created` is false where an idempotency key found an earlier one."""

    job_id: str
    created: bool


class Producer:
    """Gives jobs to Swapline. One for each process is enough; it may be used from several threads."""

    def __init__(
        self, settings: ProducerSettings, ledger: Ledger, publisher: Publisher, storage: Storage | None
    ) -> None:
        """Keep the parts; `connect` and `from_env` build them."""
        self.settings = settings
        self.ledger = ledger
        self.on_call = Recovery(ledger, publisher, storage)
        self._publisher = publisher
        self._storage = storage
        self._store_is_ours = False
        self._completions = CompletionListener(ledger)

    @classmethod
    def connect(cls, settings: ProducerSettings) -> Self:
        """Build a producer from settings. Nothing is connected before it is used."""
        ledger = open_ledger(settings)
        storage = (
            open_storage(settings.storage_url, public_url=settings.storage_public_url) if settings.storage_url else None
        )
        return cls(settings, ledger, CeleryPublisher(ledger.client, settings.key_prefix), storage)

    @classmethod
    def from_env(cls) -> Self:
        """Build a producer from `SWAPLINE_*` in the environment and `.env`. Raises SettingsError."""
        return cls.connect(load(ProducerSettings))

    def enqueue(self, request: SwapRequest) -> Enqueued:
        """Check a request, store its picture, write the job and tell the workers.

        Returns once the job is in the ledger: from then on it ends, come what may. Raises RequestError (nothing was
        stored), WrongOwner (the store is not that of the workers), StorageError, IdempotencyConflict or
        LedgerUnavailable (ask again with an idempotency key to be sure).
        """
        accept_request = self._accept_request(request)
        accepted = self.ledger.intake.accept(
            accept_request.job, fingerprint=accept_request.fingerprint, replace_failed=accept_request.replace_failed
        )
        self._publisher.send(accepted.messages)
        return Enqueued(job_id=accepted.job_id, created=accepted.created)

    def enqueue_many(self, requests: Iterable[SwapRequest | Mapping[str, Any]]) -> Iterator[Result]:
        """Enqueue any number of requests (or of their fields, to be checked here); give a result each, in order.

        Works as it is iterated, some hundreds at a time, and keeps no more than those in memory; of an iterable that
        trickles, an item may wait for the next one. An item that cannot
        be enqueued has its error in its result and stops no other. After LedgerUnavailable in a result that job may
        exist: ask again with an idempotency key. What the iterable raises is raised after the results before it.
        """
        return Bulk(self.ledger, self._publisher, self._accept_request_for, _is_quick).run(requests)

    def get(self, job_id: str) -> Job:
        """Read a job. Raises JobNotFound."""
        return self.ledger.jobs.get(job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first."""
        return self.ledger.jobs.events(job_id)

    def wait(self, job_id: str, timeout: float = 3600.0) -> Job:
        """Wait until a job has finished, by the ledger's notification. Raises as `as_completed`."""
        try:
            [job] = self.as_completed([job_id], timeout)
        except TimeoutError:
            state = self.get(job_id).state
            raise TimeoutError(f"Job {job_id} is still {state} after {timeout:g} s; it goes on.") from None
        return job

    async def enqueue_async(self, request: SwapRequest) -> Enqueued:
        """`enqueue` for asyncio; the picture and the job are written in a thread. Raises as `enqueue`."""
        return await asyncio.to_thread(self.enqueue, request)

    async def wait_async(self, job_id: str, timeout: float = 3600.0) -> Job:  # noqa: ASYNC109 -- as `wait` has it
        """`wait` for asyncio: all waiters of a process share one thread and one connection.

        Raises JobNotFound, LedgerUnavailable where the ledger cannot be reached at first, and TimeoutError.
        """
        try:
            return await self._completions.wait(job_id, timeout)
        except TimeoutError:
            raise TimeoutError(f"Job {job_id} has not finished after {timeout:g} s; it goes on.") from None

    def as_completed(self, job_ids: Iterable[str], timeout: float = 3600.0) -> Iterator[Job]:
        """Give jobs as they finish, each once; by one subscription, however many they are.

        Those that have finished already come first. A ledger that goes away meanwhile is waited for. Raises
        JobNotFound, LedgerUnavailable where it cannot be reached at first or at last, and TimeoutError when some jobs
        have not finished after `timeout` seconds.
        """
        return as_completed(self.ledger, job_ids, timeout)

    def wait_many(self, job_ids: Iterable[str], timeout: float = 3600.0) -> list[Job]:
        """Wait until all of these jobs have finished; give them in the order asked for. Raises as `as_completed`."""
        wanted = list(job_ids)
        done = {job.job_id: job for job in self.as_completed(wanted, timeout)}
        return [done[job_id] for job_id in wanted]

    def picture(self, image: StoredPicture) -> bytes:
        """Read one result, a PNG, from object storage. Raises StorageError, SettingsError."""
        return self._store().get(image.key)

    def cancel(self, job_id: str, *, keep_result: bool = False) -> Cancellation:
        """Cancel a job, whatever its state, and say whether it was charged.

        A job that the vendor has ends CANCELED when the vendor is done with it (the vendor has no cancel); its result
        is dropped, or kept with `keep_result`. Raises JobNotFound, NotPossible for a job that has ended otherwise.
        """
        return cancel(self.ledger, self._publisher, job_id, keep_result=keep_result)

    def seal_batch(self, batch: str, webhook_url: str, tenant: str = "default") -> Sealed:
        """Say that all jobs of a batch are enqueued: when they have all finished, `batch.completed` is sent, once.

        The batch is that of `tenant`; the event is signed for it and sent to `webhook_url`, as reliably as the webhook
        of a job. May be repeated. Jobs that join a completed batch need another call, which sends another event. Raises
        RequestError, BatchNotFound.
        """
        url = checked("webhook_url", webhook_url)
        check_webhook(url, allow_private=self.settings.webhook_allow_private)
        return self.ledger.batches.seal(checked("batch", batch), url, checked("tenant", tenant))

    def for_tenant(self, tenant: str) -> TenantView:
        """Give the view of one tenant, in which the jobs of others are not there, even for who knows an id."""
        return TenantView(self, tenant)

    @property
    def storage(self) -> Storage:
        """Where pictures are. Raises SettingsError where no place is set."""
        return self._store()

    @property
    def publisher(self) -> Publisher:
        """Where messages for the workers are put."""
        return self._publisher

    def _accept_request_for(self, item: SwapRequest | Mapping[str, Any]) -> AcceptRequest:
        if isinstance(item, SwapRequest):
            return self._accept_request(item)
        try:
            fields = dict(item)
        except (TypeError, ValueError):
            raise RequestError(f"a {type(item).__name__} is no request: give a SwapRequest", field="request") from None
        return self._accept_request(SwapRequest.model_validate(fields))

    def _accept_request(self, request: SwapRequest) -> AcceptRequest:
        check_webhook(request.webhook_url, allow_private=self.settings.webhook_allow_private)
        job_id = _new_job_id()
        record = self._spec(request, job_id).model_dump(mode="json", exclude_none=True)
        fingerprint = _fingerprint(record)
        if traceparent := request.traceparent or current_traceparent():
            record["trace"] = kept(traceparent)
        new = NewJob(
            job_id=job_id,
            spec=record,
            queue_ttl=request.queue_ttl or self.settings.queue_ttl,
            run_timeout=request.run_timeout or self.settings.run_timeout,
        )
        return AcceptRequest(new, fingerprint, request.replace_failed)

    def _spec(self, request: SwapRequest, job_id: str) -> JobSpec:
        found = read_image(request.image, Preparation.of(self.settings, request.prepare))
        image: ImageRef
        if isinstance(found, Link):
            image = LinkedImage(url=found.url)
        else:
            store = self._own_store()
            image = StoredImage(
                sha256=found.sha256,
                media_type=found.media_type,
                width=found.width,
                height=found.height,
                size=len(found.data),
                prepared=found.made_of,
            )
            there = self._hold(found.sha256, job_id)
            if not (there and store.head(image.key) == image.size):  # most pictures are new, and are written unasked
                store.put_once(image.key, found.data, found.media_type)
        options = {name: getattr(request, name) for name in SwapOptions.model_fields}
        return JobSpec.model_construct(**options, image=image)  # checked already: twice is a fifth of a bulk's time

    def _hold(self, sha256: str, job_id: str) -> bool:
        """See that nobody deletes an input until its job is accepted; whether somebody has stored it already."""
        give_up_at = time.monotonic() + BEING_DELETED
        while (hold := self.ledger.retention.hold_input(sha256, job_id)).wait is not None:
            if time.monotonic() > give_up_at:
                wait = f"{hold.wait:.0f} s more at most"
                raise StorageUnavailable(
                    f"The same picture is being deleted from object storage, for {wait}; try again."
                )
            time.sleep(0.02)  # a deletion takes milliseconds in a folder, and some tens in a bucket
        return hold.there

    def _own_store(self) -> Storage:
        """The store, seen once to be the one that the workers read from. Raises as `check_store`."""
        store = self._store()
        if not self._store_is_ours:  # several threads may ask at once, which does no harm
            check_store(self.ledger, store)
            self._store_is_ours = True
        return store

    def _store(self) -> Storage:
        if self._storage is None:
            raise SettingsError("SWAPLINE_STORAGE_URL is missing; set it to the place where pictures are stored.")
        return self._storage


def _fingerprint(record: dict[str, Any]) -> str:
    """What two requests under one key must have in common. A prepared picture counts as the one that was given.

    Another version of a library would make other bytes of it.
    """
    if prepared := record["image"].get("prepared"):
        record = {**record, "image": {"made_of": prepared["sha256"]}}
    return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _is_quick(item: SwapRequest | Mapping[str, Any]) -> bool:
    image = item.image if isinstance(item, SwapRequest) else item.get("image") if isinstance(item, dict) else None
    return isinstance(image, str) and is_link(image)


def _new_job_id() -> str:
    """32 hex digits: 48 bits of time, so that ids sort by age, and 80 of chance, so that nobody guesses one."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
