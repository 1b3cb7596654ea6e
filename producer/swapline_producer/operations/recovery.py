"""What a person does to jobs that cannot go on by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.client.cancel import cancel
from swapline_producer.contract import State, Step, batch_and_tenant, transitions
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.values import vendor_id_problem
from swapline_producer.errors import BatchNotFound, JobNotFound, NotPossible
from swapline_producer.ledger import new_token
from swapline_producer.operations import replays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.contract import Batch, Job
    from swapline_producer.contract.answers import Probe
    from swapline_producer.contract.changes import Change
    from swapline_producer.contract.jobs.replay_facts import ReplayFacts
    from swapline_producer.ledger import JobFilter, Ledger
    from swapline_producer.messaging.publisher import Publisher
    from swapline_producer.storage import Storage

PAGE = 5000
"""Jobs of one search, which takes a second in a large ledger."""

PAGE_DRY = 100_000
"""Ids of one search in a dry run, where nothing moves."""

CHUNK = 200
"""Jobs read at once; checked again when replayed."""

CHUNK_DRY = 2000

FROM_VENDOR = (Step.POLL, Step.FINALIZE)

REPEATED = "it was replayed from there before"


class Replayed(NamedTuple):
    """Replayed (in a dry run, replayable), or a `problem`."""

    job_id: str
    problem: str | None = None


class Recovery:
    """Moves that only a person may decide on."""

    def __init__(self, ledger: Ledger, publisher: Publisher, storage: Storage | None = None, *, by: str = "") -> None:
        """`storage` is searched for pictures; `by` is noted in jobs' logs."""
        self._by = by
        self._ledger = ledger
        self._publisher = publisher
        self._storage = storage

    def cancel(self, job_id: str, *, keep_result: bool = False) -> Cancellation:
        """See `client/cancel.py`."""
        return cancel(self._ledger, self._publisher, job_id, keep_result=keep_result, by=self._by)

    def resolve(self, job_id: str, vendor_job_id: str) -> Job:
        """Set the vendor's id of a HELD job: it is polled, and its charge counts.

        Raises JobNotFound, NotPossible, VendorIdInUse.
        """
        job = self._ledger.jobs.get(job_id)
        if job.state is not State.HELD:
            raise NotPossible(f"Job {job_id} is {job.state}, not HELD; `swapline jobs list --state HELD` shows those.")
        if problem := vendor_id_problem(vendor_job_id) or _typed_problem(vendor_job_id):
            advice = f"{problem}; copy it from the vendor's records."
            raise NotPossible(f"{vendor_job_id[:80]!r} cannot be a job's id at the vendor: {advice}")
        return self._move(job, transitions.resolved(job, vendor_job_id))

    def probe(self) -> Probe:
        """Have a job submitted now despite an open breaker. Raises LedgerUnavailable."""
        found = self._ledger.limits.probe()
        self._publisher.send(found.granted)
        return found

    def replay(self, job_id: str, step: Step, *, accept_charge: bool = False, seen: State | None = None) -> Job:
        """Run a job again from a step; from submit it is paid (`accept_charge`). `seen`: the state that was shown.

        From poll or finalize the vendor is asked for its id again. Raises JobNotFound, NotPossible, StorageError.
        """
        job = self._ledger.jobs.get(job_id)
        if seen not in {None, job.state}:
            raise NotPossible(f"Job {job_id} was {seen} when it was shown, and is {job.state} now; look at it again.")
        return self._move(job, self._change(job, step, accept_charge=accept_charge))

    def replay_many(
        self, wanted: JobFilter, step: Step, *, dry_run: bool = False, again: bool = False
    ) -> Iterator[Replayed]:
        """Run matching jobs again from a step, newest first; from submit each is charged.

        Repeated, it continues: jobs replayed from that step are skipped, unless `again`. Raises LedgerUnavailable,
        StorageError.
        """
        if dry_run:
            yield from self._would_fit(wanted, step, again=again)
            return
        for job in self._fitting(wanted):
            if step.value in job.replayed_from and not again:
                yield Replayed(job.job_id, REPEATED)
            else:
                yield self._tried(job, step)

    def replayable(self, job_ids: Iterable[str], step: Step) -> Iterator[Replayed]:
        """Yield whether these jobs can be run again. Raises JobNotFound, StorageError."""
        for job_id in job_ids:
            self._ledger.jobs.get(job_id)
            yield from self._judged([*self._ledger.summaries.replay_facts([job_id], step)], step)

    def _would_fit(self, wanted: JobFilter, step: Step, *, again: bool) -> Iterator[Replayed]:
        """Judge matching jobs by a few fields: there may be a million."""
        possible = set(wanted.possible_states())
        for page in self._ledger.search.pages(wanted, limit=PAGE_DRY):
            for chunk in _chunks(page, CHUNK_DRY):
                found = self._ledger.summaries.replay_facts(chunk, step)
                fresh = []
                for job in found:
                    if job.state not in possible:  # it has moved in this moment
                        continue
                    if job.was_replayed_from(step) and not again:
                        yield Replayed(job.job_id, REPEATED)
                    else:
                        fresh.append(job)
                yield from self._judged(fresh, step)

    def _judged(self, jobs: list[ReplayFacts], step: Step) -> Iterator[Replayed]:
        superseded = self._ledger.summaries.superseded([job.job_id for job in jobs]) if step is Step.SUBMIT else {}
        for job in jobs:
            yield Replayed(job.job_id, self._problem(job, step, superseded.get(job.job_id)))

    def _problem(self, job: ReplayFacts, step: Step, superseded_by: str | None) -> str | None:
        try:
            looked_for = step in FROM_VENDOR and job.state is State.SUCCEEDED
            stored = looked_for and self._is_stored(self._ledger.jobs.get(job.job_id))
        except (NotPossible, JobNotFound) as error:
            return str(error)
        return replays.refusal(job, step, superseded_by=superseded_by, stored=stored)

    def _tried(self, job: Job, step: Step) -> Replayed:
        try:
            self._move(job, self._change(job, step, accept_charge=True))
        except NotPossible as error:
            return Replayed(job.job_id, str(error))
        return Replayed(job.job_id)

    def notify_again(self, job_id: str) -> Job:
        """Notify once more, under the same webhook id; see `replay`."""
        return self.replay(job_id, Step.NOTIFY)

    def send_again(self, job: Job) -> Job:
        """Notify of a job that was just read. Raises NotPossible."""
        return self._move(job, replays.from_notify(job))

    def _fitting(self, wanted: JobFilter) -> Iterator[Job]:
        for page in self._ledger.search.pages(wanted, limit=PAGE):
            for chunk in _chunks(page, CHUNK):
                yield from (job for job in self._ledger.jobs.get_many(chunk) if wanted.fits(job))

    def _change(self, job: Job, step: Step, *, accept_charge: bool) -> Change:
        if step is Step.SUBMIT:
            superseded_by = self._ledger.summaries.superseded([job.job_id]).get(job.job_id)
            return replays.from_submit(job, accept_charge=accept_charge, superseded_by=superseded_by)
        if step in FROM_VENDOR:
            return replays.from_vendor(job, step, stored=job.state is State.SUCCEEDED and self._is_stored(job))
        return replays.from_notify(job)

    def _is_stored(self, job: Job) -> bool:
        storage = self._storage
        if storage is None:
            raise NotPossible(
                f"Whether pictures of job {job.job_id} are there cannot be seen from here: set SWAPLINE_STORAGE_URL."
            )
        return all(storage.head(image.key) == image.bytes for image in job.images)

    def notify_batch_again(self, record_id: str) -> Batch:
        """Notify of a batch once more, under the same id. Raises BatchNotFound, NotPossible."""
        name, tenant = batch_and_tenant(record_id)
        batch = self._ledger.batches.completed(name, tenant)
        if batch is None:
            raise BatchNotFound(f"There is no batch {name!r} of tenant {tenant!r} that is completed and has a webhook.")
        change = transitions.renotified(batch)
        written = self._ledger.batches.advance(batch, transitions.signed(change, self._by), token=new_token())
        if written is None:
            raise NotPossible(f"Batch {name} has moved on in this moment; look at it again.")
        return batch.model_copy(update={**change.fields, "version": written[0]})

    def _move(self, job: Job, change: Change) -> Job:
        advanced = self._ledger.transitions.advance(job, transitions.signed(change, self._by))
        if not isinstance(advanced, Advanced):
            raise NotPossible(f"Job {job.job_id} has moved on in this moment; look at it again.")
        self._publisher.send(advanced.granted)
        return advanced.job


def _typed_problem(vendor_job_id: str) -> str | None:
    if vendor_job_id != vendor_job_id.strip():
        return "it has blanks around it"
    return "it has a slash, as a URL has and no id" if set("/\\") & set(vendor_job_id) else None


def _chunks(ids: list[str], size: int) -> Iterable[list[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
