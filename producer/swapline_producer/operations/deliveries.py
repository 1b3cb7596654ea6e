"""Webhooks after the fact: what was tried or given up, and replays."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from swapline_producer.contract import Batch, EventType, batch_and_tenant, is_batch
from swapline_producer.contract.changes import EVENT_OF
from swapline_producer.errors import BatchNotFound, NotPossible
from swapline_producer.webhooks.endpoints import endpoint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from swapline_producer.contract import Job, JobEvent
    from swapline_producer.ledger import Ledger
    from swapline_producer.operations.recovery import Recovery

CHUNK = 500

SHOWN = 50
"""Attempts of one job: five times the schedule."""

LINES = {"webhook failed": "PENDING", "webhook delivered": "DELIVERED", "webhook dead": "DEAD"}
"""Event of a job's log -> notification afterwards."""

FACTS = ("attempt", "status", "seconds", "error", "response_sha256", "next_in")


class DeliveryOutcome(NamedTuple):
    """The webhook of a job or batch."""

    record_id: str
    record: Job | Batch
    tenant: str
    url: str
    event: EventType

    @property
    def endpoint_id(self) -> str:
        """Where it goes."""
        return endpoint_of(self.tenant, self.url).endpoint_id


def delivery_log(events: Iterable[JobEvent]) -> list[dict[str, Any]]:
    """Return the last SHOWN attempts, oldest first.

    `at` (milliseconds), `notification` and, where known, `attempt`, `status`, `seconds`, `error`, `response_sha256`,
    `next_in` (seconds).
    """
    found = [
        {
            "at": event.at,
            "notification": LINES[event.name],
            **{name: event.data.get(name) for name in FACTS},
            "error": event.data.get("error"),
        }
        for event in events
        if event.name in LINES
    ]
    return found[-SHOWN:]


def read(ledger: Ledger, record_ids: Iterable[str]) -> Iterator[DeliveryOutcome]:
    """Yield jobs, then batches, that have a webhook."""
    wanted = list(record_ids)
    jobs = [record_id for record_id in wanted if not is_batch(record_id)]
    for place in range(0, len(jobs), CHUNK):
        for job in ledger.jobs.get_many(jobs[place : place + CHUNK]):
            if job.spec.webhook_url is not None and job.state in EVENT_OF:
                yield DeliveryOutcome(job.job_id, job, job.tenant, job.spec.webhook_url, EVENT_OF[job.state])
    for record_id in wanted:
        if is_batch(record_id):
            batch = ledger.batches.completed(*batch_and_tenant(record_id))
            if batch is not None:
                yield DeliveryOutcome(
                    batch.record_id, batch, batch.tenant, batch.webhook_url, EventType.BATCH_COMPLETED
                )


def given_up(ledger: Ledger, since: int = 0) -> list[str]:
    """Return ids of webhooks given up since a moment (milliseconds), last first."""
    return [
        record_id
        for batches in (False, True)
        for record_id in ledger.webhooks.failing_ids("dead", limit=-1, since=since, batches=batches)
    ]


class Replay:
    """Sends webhooks once more, but not to disabled endpoints."""

    def __init__(self, ledger: Ledger, recovery: Recovery, *, dry_run: bool = False) -> None:
        """With `dry_run` nothing is changed."""
        self._ledger = ledger
        self._recovery = recovery
        self._dry_run = dry_run
        self._disabled = {one.endpoint_id for one in ledger.webhooks.endpoints(limit=0) if one.disabled_at is not None}
        self.counts: Counter[str] = Counter({"replayed": 0, "endpoint_disabled": 0, "moved_on": 0})
        self.endpoints: Counter[str] = Counter()

    def run(self, record_ids: Iterable[str], wanted: Callable[[DeliveryOutcome], bool]) -> Iterator[DeliveryOutcome]:
        """Send those that are `wanted`; yield each (that would be) sent."""
        for outcome in read(self._ledger, record_ids):
            if not wanted(outcome):
                continue
            if outcome.endpoint_id in self._disabled:
                self.counts["endpoint_disabled"] += 1
                self.endpoints[outcome.endpoint_id] += 1
            elif self._sent(outcome):
                self.counts["replayed"] += 1
                yield outcome
            else:
                self.counts["moved_on"] += 1

    def _sent(self, outcome: DeliveryOutcome) -> bool:
        if self._dry_run:
            return True
        try:
            if isinstance(outcome.record, Batch):
                self._recovery.notify_batch_again(outcome.record_id)
            else:
                self._recovery.send_again(outcome.record)
        except (NotPossible, BatchNotFound):
            return False
        return True
