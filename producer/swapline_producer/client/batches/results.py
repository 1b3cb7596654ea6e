"""Batches: their jobs' states, pictures, and results as CSV."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.client.batches.manifest import row_of
from swapline_producer.client.download import file_stem, picture_files, save_pictures, unfinished_file
from swapline_producer.contract import Frozen, State
from swapline_producer.errors import BatchNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.producer import Producer

CHUNK = 1000

FAILURES_FIRST = (
    State.FAILED,
    State.TIMED_OUT,
    State.EXPIRED,
    State.HELD,
    State.CANCELED,
    State.STORING,
    State.RUNNING,
    State.SUBMITTING,
    State.QUEUED,
    State.SUCCEEDED,
)

COLUMNS = (
    "row",
    "line",
    "job_id",
    "state",
    "failure_code",
    "failure_detail",
    "vendor_job_id",
    "credits",
    "images",
    "file",
)


NOT_ENQUEUED = "NOT_ENQUEUED"
"""In the column of states: the row has no job."""


class Outline(NamedTuple):
    """What a summary needs of a job."""

    job_id: str
    state: State
    failure_code: str | None
    credits: int


class BatchView(Frozen):
    """How a batch stands."""

    batch: str
    tenant: str
    jobs: int
    finished: int
    credits: int
    states: dict[State, int]
    failures: dict[str, int]


def outlines(ledger: Ledger, batch: str, tenant: str) -> Iterator[Outline]:
    """Yield a batch's jobs in the order of its rows. Raises BatchNotFound."""
    ids = ledger.batches.job_ids(batch, tenant)
    if not ids:
        raise BatchNotFound(
            f"There is no batch {batch!r} of tenant {tenant!r} in the ledger; its name is that of its manifest, or"
            " --name, and --tenant says whose it is."
        )
    for chunk in _chunks(ids):
        for job_id, (state, code, spent) in zip(chunk, ledger.summaries.outlines(chunk), strict=True):
            if state:  # else its record is gone
                yield Outline(job_id, State(state), code, int(spent or 0))


def view(batch: str, tenant: str, jobs: Iterable[Outline]) -> BatchView:
    """Add up."""
    states: Counter[State] = Counter()
    failures: Counter[str] = Counter()
    spent = 0
    for job in jobs:
        states[job.state] += 1
        spent += job.credits
        if job.failure_code:
            failures[job.failure_code] += 1
    return BatchView(
        batch=batch,
        tenant=tenant,
        jobs=states.total(),
        finished=sum(number for state, number in states.items() if state.finished),
        credits=spent,
        states={state: states[state] for state in FAILURES_FIRST if states[state]},
        failures=dict(failures.most_common()),
    )


def failures_first(jobs: Iterable[Outline], limit: int) -> list[str]:
    """Return ids in the order of FAILURES_FIRST."""
    rank = {state: place for place, state in enumerate(FAILURES_FIRST)}
    return [job.job_id for job in sorted(jobs, key=lambda job: rank[job.state])[:limit]]


class ManifestRows(NamedTuple):
    """What a run knows of its manifest's rows."""

    lines: Mapping[int, int]
    """Line in the file, by row."""
    numbers: Mapping[str, int]
    """Rows of jobs with an idempotency key of the manifest's own."""
    left_out: Mapping[int, str]
    """Reason, by row."""


def write_results(
    ledger: Ledger,
    batch: str,
    tenant: str,
    path: Path,
    folder: Path | None = None,
    rows: ManifestRows = ManifestRows({}, {}, {}),  # noqa: B008 -- never changed
) -> None:
    """Write a line for each job and each row without one. The file appears whole.

    Metadata are columns `metadata.NAME`.
    """
    ids = ledger.batches.job_ids(batch, tenant)
    names = sorted({name for job in _read(ledger, ids) for name in job.spec.metadata})
    unfinished = unfinished_file(path)
    with unfinished.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(f"metadata.{name}" for name in names)])
        for job in _read(ledger, ids):
            row = rows.numbers.get(job.job_id) or row_of(batch, job.spec.idempotency_key)
            place = (row, rows.lines.get(row, "")) if row else ("", "")
            writer.writerow([*place, *_facts(batch, job, folder), *(job.spec.metadata.get(name, "") for name in names)])
        for row, why in rows.left_out.items():
            writer.writerow([row, rows.lines.get(row, ""), "", NOT_ENQUEUED, "", why])
    unfinished.replace(path)


def download(producer: Producer, batch: str, job: Job, folder: Path) -> None:
    """Write a job's pictures into a folder. Raises as `save_pictures`."""
    save_pictures(producer, job.images, files(batch, job, folder))


def files(batch: str, job: Job, folder: Path) -> list[Path]:
    """Return the files of a job's pictures, named by its row, or else by the job."""
    row = row_of(batch, job.spec.idempotency_key)
    stem = file_stem(job.job_id) if row is None else f"{row:06}"  # six digits: a million rows sort by name
    return picture_files(folder / stem, job.images)


def _facts(batch: str, job: Job, folder: Path | None) -> list[object]:
    paths = files(batch, job, folder) if folder else []
    return [
        job.job_id,
        job.state,
        job.failure_code or "",
        job.failure_detail or "",
        job.vendor_job_id or "",
        job.credits,
        " ".join(image.key for image in job.images),
        " ".join(str(path) for path in paths),
    ]


def _read(ledger: Ledger, ids: Sequence[str]) -> Iterator[Job]:
    for chunk in _chunks(ids):
        yield from ledger.jobs.get_many(chunk)


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
