"""Purge everything of a job, a tenant or a time; a tombstone stays.

The ledger forgets first and lists the rest, so workers finish a purge that was cut off. An unfinished job loses
personal data at once, and is purged at its end.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from swapline_producer.client.cancel import cancel
from swapline_producer.contract import FINISHED, Notification
from swapline_producer.errors import JobNotFound, NotPossible
from swapline_producer.ledger import JobFilter
from swapline_producer.retention.sweep import Sweep
from swapline_producer.storage.keys import FOLDER_PARTS, INPUTS, RESULTS, result_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher
    from swapline_producer.storage import Storage

PAGE = 500
"""Jobs at a time."""


@dataclass(frozen=True, slots=True)
class PurgeSelector:
    """These ids, a tenant's, or those ended that were accepted before a moment (UTC ms)."""

    job_ids: tuple[str, ...] = ()
    tenant: str | None = None
    before: int | None = None

    @property
    def why(self) -> str:
        """What tombstones say: how the job was chosen, nothing personal."""
        return "job" if self.job_ids else "tenant" if self.tenant else "before"


@dataclass(slots=True)
class Report:
    """What a purge did or would do. `promised` jobs are purged at their ends."""

    jobs: int = 0
    promised: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    webhooks: int = 0
    objects: int = 0
    """Objects deleted, without inputs, which other jobs may need."""
    forgotten: int = 0
    """Folders of results without a record."""


class Purge:
    """Forgets jobs. `dry` only counts."""

    def __init__(self, ledger: Ledger, publisher: Publisher, storage: Storage, *, dry: bool = False) -> None:
        """Keep the parts."""
        self._ledger = ledger
        self._publisher = publisher
        self._storage = storage
        self._sweep = Sweep(ledger, storage)
        self._dry = dry

    def run(self, selector: PurgeSelector) -> Report:
        """Delete all there is of the selected jobs. Repeatable. Raises StorageError, LedgerUnavailable."""
        report = Report()
        for page in _pages(selector.job_ids or self._ids(selector)):
            if self._dry and not selector.job_ids:
                self._count(page, report)
                continue
            found = self._ledger.jobs.get_many(page)
            self._purge([job for job in found if _is_meant(job, selector)], selector.why, report)
            if selector.job_ids:
                report.unknown += sorted(set(page) - {job.job_id for job in found})
        self._forgotten(selector, report)
        if selector.tenant is not None and not self._dry:
            self._ledger.retention.forget_tenant(selector.tenant)
            self._ledger.webhooks.forget_endpoints(selector.tenant)
        return report

    def keep_promises(self, job_ids: Iterable[str]) -> None:
        """Purge those promised jobs that have ended."""
        for page in _pages(job_ids):
            self._purge(self._ledger.jobs.get_many(page), "job", Report())

    def _ids(self, selector: PurgeSelector) -> list[str]:
        """Read all ids first: a purge changes the indexes."""
        states = tuple(FINISHED) if selector.before is not None else ()
        tenants = (selector.tenant,) if selector.tenant is not None else ()
        wanted = JobFilter(states=states, tenants=tenants, accepted_before=selector.before)
        return self._ledger.search.find(wanted, limit=sys.maxsize)

    def _count(self, job_ids: list[str], report: Report) -> None:
        """Count without reading whole jobs: there may be a million."""
        for job_id, weight in zip(job_ids, self._ledger.summaries.weigh(job_ids), strict=True):
            if weight is None:  # it has gone in this moment
                continue
            report.webhooks += weight.notification is Notification.PENDING
            if weight.state.finished:
                report.jobs += 1
                report.objects += weight.pictures + bool(weight.pictures)
            else:
                report.promised.append(job_id)

    def _purge(self, jobs: list[Job], why: str, report: Report) -> None:
        gone = [job for job in jobs if self._one(job, why, report)]
        names = [name for job in gone for name in _names(job)]
        if self._dry:
            return
        self._sweep.now(names)

    def _one(self, job: Job, why: str, report: Report) -> bool:
        report.webhooks += job.notification is Notification.PENDING
        purged = job.state.finished if self._dry else self._forget(job, why)
        if purged:
            report.jobs += 1
            report.objects += len(job.images) + bool(job.images)
        else:
            report.promised.append(job.job_id)
        return purged

    def _forget(self, job: Job, why: str) -> bool:
        first = self._ledger.retention.purge(job, why)
        if first.state is None:
            return True
        try:
            cancel(self._ledger, self._publisher, job.job_id)
            return self._ledger.retention.purge(self._ledger.jobs.get(job.job_id), why).state is None
        except JobNotFound:  # another process purged it meanwhile
            return True
        except NotPossible:  # it has ended in this moment
            return self._ledger.retention.purge(job, why).state is None

    def _forgotten(self, selector: PurgeSelector, report: Report) -> None:
        """Delete results without a record, found by their names."""
        if selector.job_ids and not report.unknown:
            return
        keys: list[str] = []
        folders: set[str] = set()
        for key, folder in self._strays(selector, report):
            keys.append(key)
            folders.add(folder)
        ids = {folder.rpartition("/")[2] for folder in folders}
        report.objects += len(keys)
        report.forgotten = len(folders)
        report.unknown = [job_id for job_id in report.unknown if job_id not in ids]
        if not self._dry and keys:
            self._storage.delete(keys)
            self._ledger.retention.bury(ids, selector.why)

    def _strays(self, selector: PurgeSelector, report: Report) -> Iterator[tuple[str, str]]:
        """Yield key and folder of each result without a record."""
        wanted = set(report.unknown)
        known = lru_cache(2)(
            lambda job_id: self._ledger.retention.orphan_facts([job_id])[0].state is not None
        )  # keys come by folder
        for found in self._storage.list(f"{RESULTS}/{selector.tenant}" if selector.tenant else RESULTS):
            parts = found.key.split("/")
            if len(parts) <= FOLDER_PARTS or (selector.job_ids and parts[FOLDER_PARTS - 1] not in wanted):
                continue
            if selector.before is not None and not _is_before(parts, selector.before):
                continue
            if not known(parts[FOLDER_PARTS - 1]):
                yield found.key, "/".join(parts[:FOLDER_PARTS])


def _names(job: Job) -> list[str]:
    image = job.spec.image
    inputs = [f"{INPUTS}/{image.sha256}"] if image.kind == "stored" else []
    return [result_folder(job), *inputs]


def _is_meant(job: Job, selector: PurgeSelector) -> bool:
    if selector.tenant is not None:
        return job.tenant == selector.tenant
    return selector.before is None or (job.state.finished and job.created_at < selector.before)


def _is_before(parts: list[str], before: int) -> bool:
    try:
        year, month, of_month = map(int, parts[2:5])
        day = datetime(year, month, of_month, tzinfo=UTC)
    except ValueError:
        return False
    return (day.timestamp() + 86_400) * 1000 <= before


def _pages(job_ids: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(job_ids)
    for first in range(0, len(wanted), PAGE):
        yield wanted[first : first + PAGE]
