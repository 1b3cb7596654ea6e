"""Wait for many jobs with one subscription: each is given when it finishes, whichever comes first."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from swapline_producer.errors import JobNotFound, LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger

AWAY = 1.0
"""Seconds between two tries to reach a ledger that went away while we waited."""

CHUNK = 500
"""Jobs looked at in one round trip."""

SWEEP = 5.0
"""Seconds between two looks for what was not heard: a notification can get lost with a connection."""

OVERLAP = 1000
"""Milliseconds that two such looks have in common, for moves that were under way during the first."""


def as_completed(ledger: Ledger, job_ids: Iterable[str], timeout: float) -> Iterator[Job]:
    """Give each job once it has finished; see `Producer.as_completed`."""
    give_up_at = time.monotonic() + timeout
    left = dict.fromkeys(job_ids)
    reached = False
    while left:
        try:
            with _listening(ledger, left) as heard:
                since = ledger.now()
                yield from _taken(ledger, left, _finished_already(ledger, left))
                reached = True
                yield from _heard(ledger, left, heard, since, give_up_at)
        except LedgerUnavailable:
            if not reached or time.monotonic() >= give_up_at:
                raise
            time.sleep(min(AWAY, max(0.0, give_up_at - time.monotonic())))
        else:
            if left:
                raise TimeoutError(f"{len(left)} jobs have not finished after {timeout:g} s; they go on.")


def _heard(
    ledger: Ledger, left: dict[str, None], heard: Callable[[float], str | None], since: int, give_up_at: float
) -> Iterator[Job]:
    """Give jobs as they are heard of, until none is left or the time is over."""
    sweep_at = time.monotonic() + SWEEP
    while left and (now := time.monotonic()) < give_up_at:
        if now >= sweep_at:
            since, last = ledger.now(), since
            yield from _taken(ledger, left, ledger.subscriptions.finished_since(last - OVERLAP))
            sweep_at = now + SWEEP
        elif (job_id := heard(min(give_up_at, sweep_at) - now)) in left:
            yield from _taken(ledger, left, [job_id, *_also_heard(heard)])


@contextmanager
def _listening(ledger: Ledger, left: dict[str, None]) -> Generator[Callable[[float], str | None]]:
    """Subscribe to one job's end, or to all ends: who waits for one must not hear of everybody's."""
    if len(left) > 1:
        with ledger.subscriptions.watch_all() as heard:
            yield heard
        return
    job_id = next(iter(left))
    with ledger.subscriptions.watch(job_id) as word_came:
        yield lambda seconds: job_id if word_came(seconds) else None


def _finished_already(ledger: Ledger, left: dict[str, None]) -> Iterator[str]:
    """What has finished before anybody waited. Raises JobNotFound."""
    everything = iter(list(left))
    while chunk := list(islice(everything, CHUNK)):
        for job_id, state in zip(chunk, ledger.subscriptions.states(chunk), strict=True):
            if state is None:
                ledger.jobs.get(job_id)  # says so, in the ledger's own words
            elif state.finished:
                yield job_id


def _also_heard(heard: Callable[[float], str | None]) -> Iterator[str]:
    """What lies there already, so that many jobs are read in one round trip."""
    for _ in range(CHUNK):
        job_id = heard(0)
        if job_id is None:
            return
        yield job_id


def _taken(ledger: Ledger, left: dict[str, None], finished: Iterable[str]) -> Iterator[Job]:
    """Read those that are waited for, and wait for them no more."""
    wanted = (job_id for job_id in finished if job_id in left)
    while chunk := list(dict.fromkeys(islice(wanted, CHUNK))):
        found = ledger.jobs.get_many(chunk)  # a ledger that goes away in this moment is asked for all of them again
        for job_id in chunk:
            del left[job_id]
        yield from found
        if len(found) < len(chunk):  # purged between its end and this look
            gone = next(iter(set(chunk) - {job.job_id for job in found}))
            raise JobNotFound(f"There is no job {gone!r} in the ledger any more.")
