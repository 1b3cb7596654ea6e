"""Webhooks after the fact: what was tried, what was given up, and how it is sent again."""

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
"""Records read in one round trip."""

SHOWN = 50
"""Attempts of one job that are shown: five times all of the schedule, for those that were replayed."""

LINES = {"webhook failed": "PENDING", "webhook delivered": "DELIVERED", "webhook dead": "DEAD"}
"""The lines of a job's log that are its delivery log, and how the notification stood afterwards."""

FACTS = ("attempt", "status", "seconds", "error", "response_sha256", "next_in")


class DeliveryOutcome(NamedTuple):
    """What there is to know of the webhook of a job, or of a batch, whatever it is."""

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
    """The attempts among a job's events, oldest first, the last SHOWN of them.

    Each has `at` (milliseconds), `notification` (how it stood afterwards) and, where known, `attempt`, `status`,
    `seconds`, `error`, `response_sha256`, `next_in` (seconds).
    """
    found = [
        {
            "at": event.at,
            "notification": LINES[event.name],
            **{name: event.data.get(name) for name in FACTS},
            "error": event.data.get("error", event.data.get("reason")),  # of a version before: `reason`
        }
        for event in events
        if event.name in LINES
    ]
    return found[-SHOWN:]


def read(ledger: Ledger, record_ids: Iterable[str]) -> Iterator[DeliveryOutcome]:
    """Jobs and batches by their ids, without those that are gone or have no webhook. Jobs first; in the order given."""
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
    """The ids of all jobs and batches whose webhook was given up since a moment (milliseconds), last ones first."""
    return [
        record_id
        for batches in (False, True)
        for record_id in ledger.webhooks.failing_ids("dead", limit=-1, since=since, batches=batches)
    ]


class Replay:
    """Sends webhooks once more, under the same ids. Those to a disabled endpoint are left alone: they would not go."""

    def __init__(self, ledger: Ledger, recovery: Recovery, *, dry_run: bool = False) -> None:
        """With `dry_run` nothing is changed."""
        self._ledger = ledger
        self._recovery = recovery
        self._dry_run = dry_run
        self._disabled = {one.endpoint_id for one in ledger.webhooks.endpoints(limit=0) if one.disabled_at is not None}
        self.counts: Counter[str] = Counter({"replayed": 0, "endpoint_disabled": 0, "moved_on": 0})
        self.endpoints: Counter[str] = Counter()
        """Disabled endpoints that kept some from going, and how many."""

    def run(self, record_ids: Iterable[str], wanted: Callable[[DeliveryOutcome], bool]) -> Iterator[DeliveryOutcome]:
        """Send those that are `wanted`; gives each that was sent (or would be)."""
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
