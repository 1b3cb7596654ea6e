"""The view of one tenant: another's job is not found, with the same error as an unknown id."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from swapline_producer.errors import JobNotFound, RequestError

if TYPE_CHECKING:
    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.contract import Job, JobEvent, Step, StoredPicture, SwapRequest
    from swapline_producer.contract.answers import Sealed
    from swapline_producer.producer import Enqueued, Producer


class TenantView:
    """Made by `Producer.for_tenant`."""

    def __init__(self, producer: Producer, tenant: str, *, by: str = "") -> None:
        """`by` is noted in jobs' logs."""
        self.tenant = tenant
        self._by = by
        self._producer = producer

    def enqueue(self, request: SwapRequest) -> Enqueued:
        """See `Producer.enqueue`. Raises RequestError for another tenant's request."""
        if request.tenant != self.tenant:
            raise RequestError(f"tenant: this is the view of {self.tenant!r}; ask in its name", field="tenant")
        return self._producer.enqueue(request)

    def get(self, job_id: str) -> Job:
        """Read a job. Raises JobNotFound."""
        return self._own(self._producer.get(job_id))

    def _own(self, job: Job) -> Job:
        if job.tenant != self.tenant:
            raise JobNotFound(
                f"There is no job {job.job_id!r} in the ledger; `swapline jobs list` shows those there are."
            )
        return job

    def get_with_events(self, job_id: str) -> tuple[Job, list[JobEvent]]:
        """Read a job and its log as of one moment. Raises JobNotFound."""
        job, events = self._producer.ledger.jobs.get_with_events(job_id)
        return self._own(job), events

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first. Raises JobNotFound."""
        self.get(job_id)
        return self._producer.events(job_id)

    def wait(self, job_id: str, timeout: float = 3600.0) -> Job:
        """See `Producer.wait`. Raises JobNotFound at once."""
        self.get(job_id)
        return self._producer.wait(job_id, timeout)

    async def enqueue_async(self, request: SwapRequest) -> Enqueued:
        """`enqueue` for asyncio."""
        return await asyncio.to_thread(self.enqueue, request)

    async def wait_async(self, job_id: str, timeout: float = 3600.0) -> Job:  # noqa: ASYNC109 -- as `wait` has it
        """See `Producer.wait_async`."""
        await asyncio.to_thread(self.get, job_id)
        return await self._producer.wait_async(job_id, timeout)

    def cancel(self, job_id: str, **how: Any) -> Cancellation:
        """See `Producer.cancel`. Raises JobNotFound, NotPossible."""
        self.get(job_id)
        return self._producer.recovery_by(self._by).cancel(job_id, **how)

    def replay(self, job_id: str, step: Step, *, accept_charge: bool = False) -> Job:
        """See `Recovery.replay`. Raises JobNotFound, NotPossible."""
        self.get(job_id)
        return self._producer.recovery_by(self._by).replay(job_id, step, accept_charge=accept_charge)

    def seal_batch(self, batch: str, webhook_url: str) -> Sealed:
        """See `Producer.seal_batch`. Raises RequestError, BatchNotFound."""
        return self._producer.seal_batch(batch, webhook_url, self.tenant)

    def picture(self, job_id: str, number: int = 0) -> bytes:
        """Read one result, counted from 0. Raises JobNotFound, IndexError, StorageError."""
        image: StoredPicture = self.get(job_id).images[number]
        return self._producer.picture(image)
