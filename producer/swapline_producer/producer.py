"""What a backend uses to enqueue jobs and to receive results."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from swapline_producer.client.drafting import Drafting, is_quick
from swapline_producer.client.inputs.acceptance import Acceptance
from swapline_producer.client.waiting import as_completed
from swapline_producer.contract import Frozen, SwapRequest, checked
from swapline_producer.errors import SettingsError
from swapline_producer.webhooks.addresses import check_webhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from swapline_producer.client.async_waiting import CompletionListener
    from swapline_producer.client.batches.bulk import Result
    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.client.tenant_view import TenantView
    from swapline_producer.contract import Job, JobEvent, StoredPicture
    from swapline_producer.contract.answers import Sealed
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher
    from swapline_producer.operations.recovery import Recovery
    from swapline_producer.settings import ProducerSettings
    from swapline_producer.storage import Storage


class Enqueued(Frozen):
    """A job that will end. `created` is false where the idempotency key had one."""

    job_id: str
    created: bool


class Producer:
    """Enqueues jobs. Thread-safe; one for each process is enough."""

    def __init__(
        self, settings: ProducerSettings, ledger: Ledger, publisher: Publisher, storage: Storage | None, *, by: str = ""
    ) -> None:
        """Keep the parts that `connect` builds. `by` is noted in the logs of jobs that it decides on."""
        self.settings = settings
        self.by = by
        self.ledger = ledger
        self._publisher = publisher
        self._storage = storage
        self._store_is_ours = False
        self._acceptance = Acceptance(ledger, self._own_store)
        self._drafting = Drafting(settings, self._acceptance)

    @classmethod
    def connect(cls, settings: ProducerSettings, *, by: str = "") -> Self:
        """Build a producer from settings, not yet connected."""
        from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- see the module's docstring
        from swapline_producer.messaging.publisher import CeleryPublisher  # noqa: PLC0415 -- the same
        from swapline_producer.storage import open_storage  # noqa: PLC0415 -- the same

        ledger = open_ledger(settings)
        storage = (
            open_storage(settings.storage_url, public_url=settings.storage_public_url) if settings.storage_url else None
        )
        return cls(settings, ledger, CeleryPublisher(ledger.client, settings.key_prefix), storage, by=by)

    @classmethod
    def from_env(cls, *, by: str = "") -> Self:
        """Build a producer from `SWAPLINE_*` in the environment and `.env`. Raises SettingsError."""
        from swapline_producer.settings import ProducerSettings, load  # noqa: PLC0415 -- see the module's docstring

        return cls.connect(load(ProducerSettings), by=by)

    def enqueue(self, request: SwapRequest) -> Enqueued:
        """Check a request, store its picture, write the job and publish it to the workers.

        Once the job is in the ledger it ends, whatever fails. Raises RequestError (nothing was stored), WrongOwner,
        StorageError, IdempotencyConflict or LedgerUnavailable (ask again with an idempotency key to be sure).
        """
        accepted = self._acceptance.accept(self._drafting.draft(request))
        self._publisher.send(accepted.messages)
        return Enqueued(job_id=accepted.job_id, created=accepted.created)

    def enqueue_many(self, requests: Iterable[SwapRequest | Mapping[str, Any]]) -> Iterator[Result]:
        """Enqueue requests (or their fields, checked here); yield a result each, in order.

        At most 500 at a time; an item of a slow iterable may wait a second. An item's error is in its result; after
        LedgerUnavailable its job may exist: ask again with an idempotency key. What the iterable raises comes last.
        """
        from swapline_producer.client.batches.bulk import Bulk  # noqa: PLC0415 -- see the module's docstring

        return Bulk(self._acceptance, self._publisher, self._drafting.checked_draft, is_quick).run(requests)

    def get(self, job_id: str) -> Job:
        """Read a job. Raises JobNotFound."""
        return self.ledger.jobs.get(job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first."""
        return self.ledger.jobs.events(job_id)

    def wait(self, job_id: str, timeout: float = 3600.0) -> Job:
        """Wait until a job has finished. Raises as `as_completed`."""
        try:
            [job] = self.as_completed([job_id], timeout)
        except TimeoutError:
            state = self.get(job_id).state
            raise TimeoutError(f"Job {job_id} is still {state} after {timeout:g} s; it goes on.") from None
        return job

    async def enqueue_async(self, request: SwapRequest) -> Enqueued:
        """`enqueue` for asyncio, in a thread. Raises as `enqueue`."""
        import asyncio  # noqa: PLC0415 -- the caller has loaded it

        return await asyncio.to_thread(self.enqueue, request)

    async def wait_async(self, job_id: str, timeout: float = 3600.0) -> Job:  # noqa: ASYNC109 -- as `wait` has it
        """`wait` for asyncio: all waiters of a process share one thread and connection.

        Raises JobNotFound, TimeoutError, and LedgerUnavailable where the ledger is away at first.
        """
        try:
            return await self._completions.wait(job_id, timeout)
        except TimeoutError:
            raise TimeoutError(f"Job {job_id} has not finished after {timeout:g} s; it goes on.") from None

    def as_completed(self, job_ids: Iterable[str], timeout: float = 3600.0) -> Iterator[Job]:
        """Yield jobs as they finish, each once, those finished already first.

        A ledger that goes away meanwhile is waited for. Raises JobNotFound, TimeoutError after `timeout` seconds, and
        LedgerUnavailable where it is away at first or at last.
        """
        return as_completed(self.ledger, job_ids, timeout)

    def wait_many(self, job_ids: Iterable[str], timeout: float = 3600.0) -> list[Job]:
        """Wait for all jobs; return them in the order given. Raises as `as_completed`."""
        wanted = list(job_ids)
        done = {job.job_id: job for job in self.as_completed(wanted, timeout)}
        return [done[job_id] for job_id in wanted]

    def picture(self, image: StoredPicture) -> bytes:
        """Read one result, a PNG. Raises StorageError, SettingsError."""
        return self._store().get(image.key)

    def cancel(self, job_id: str, *, keep_result: bool = False) -> Cancellation:
        """Cancel a job in any state; the answer says whether it was charged.

        A job that the vendor has ends CANCELED when it is done, and its result is dropped, or kept with `keep_result`.
        Raises JobNotFound, NotPossible for a job that has ended otherwise.
        """
        return self.recovery.cancel(job_id, keep_result=keep_result)

    def seal_batch(self, batch: str, webhook_url: str, tenant: str = "default") -> Sealed:
        """Seal a tenant's batch: when all its jobs have finished, `batch.completed` is sent.

        Repeatable; jobs that join a completed batch need another call, and send another event. Raises RequestError,
        BatchNotFound.
        """
        url = checked("webhook_url", webhook_url)
        check_webhook(url, allow_private=self.settings.webhook_allow_private)
        return self.ledger.batches.seal(checked("batch", batch), url, checked("tenant", tenant))

    def for_tenant(self, tenant: str, *, by: str = "") -> TenantView:
        """Return the view of one tenant, in which others' jobs are not found; `by` as above."""
        from swapline_producer.client.tenant_view import TenantView  # noqa: PLC0415 -- see the module's docstring

        return TenantView(self, tenant, by=by)

    @property
    def storage(self) -> Storage:
        """The store of the pictures. Raises SettingsError where none is set."""
        return self._store()

    @property
    def publisher(self) -> Publisher:
        """The publisher of messages to the workers."""
        return self._publisher

    @cached_property
    def recovery(self) -> Recovery:
        """Moves that only a person may decide on: resolve, replay, notify again."""
        return self.recovery_by(self.by)

    def recovery_by(self, by: str) -> Recovery:
        """The same, with `by` noted in the logs of jobs."""
        from swapline_producer.operations.recovery import Recovery  # noqa: PLC0415 -- see the module's docstring

        return Recovery(self.ledger, self._publisher, self._storage, by=by)

    @cached_property
    def _completions(self) -> CompletionListener:
        from swapline_producer.client.async_waiting import CompletionListener  # noqa: PLC0415 -- the same

        return CompletionListener(self.ledger)

    def _own_store(self) -> Storage:
        """Return the store, checked once. Raises as `check_store`."""
        store = self._store()
        if not self._store_is_ours:  # several threads may check at once, which does no harm
            from swapline_producer.retention.store_owner import check_store  # noqa: PLC0415 -- only for stored pictures

            check_store(self.ledger, store)
            self._store_is_ours = True
        return store

    def _store(self) -> Storage:
        if self._storage is None:
            raise SettingsError("SWAPLINE_STORAGE_URL is missing; set it to the place where pictures are stored.")
        return self._storage
