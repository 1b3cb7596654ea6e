"""Wait for many jobs with one subscription."""

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

RECONNECT_DELAY_S = 1.0

CHUNK = 500

SWEEP_INTERVAL_S = 5.0
"""Between reads of all states, in case a notification was lost."""

OVERLAP = 1000
"""Milliseconds shared by two such reads, for moves under way."""


def as_completed(ledger: Ledger, job_ids: Iterable[str], timeout: float) -> Iterator[Job]:
    """See `Producer.as_completed`."""
    give_up_at = time.monotonic() + timeout
    left = dict.fromkeys(job_ids)
    reached = False
    while left:
        try:
            with _listening(ledger, left) as receive:
                since = ledger.now()
                yield from _take_finished(ledger, left, _finished_already(ledger, left))
                reached = True
                yield from _receive_all(ledger, left, receive, since, give_up_at)
        except LedgerUnavailable:
            if not reached or time.monotonic() >= give_up_at:
                raise
            time.sleep(min(RECONNECT_DELAY_S, max(0.0, give_up_at - time.monotonic())))
        else:
            if left:
                raise TimeoutError(f"{len(left)} jobs have not finished after {timeout:g} s; they go on.")


def _receive_all(
    ledger: Ledger, left: dict[str, None], receive: Callable[[float], str | None], since: int, give_up_at: float
) -> Iterator[Job]:
    sweep_at = time.monotonic() + SWEEP_INTERVAL_S
    while left and (now := time.monotonic()) < give_up_at:
        if now >= sweep_at:
            since, last = ledger.now(), since
            yield from _take_finished(ledger, left, ledger.subscriptions.finished_since(last - OVERLAP))
            sweep_at = now + SWEEP_INTERVAL_S
        elif (job_id := receive(min(give_up_at, sweep_at) - now)) in left:
            yield from _take_finished(ledger, left, [job_id, *_receive_more(receive)])


@contextmanager
def _listening(ledger: Ledger, left: dict[str, None]) -> Generator[Callable[[float], str | None]]:
    """Subscribe to one job's end, or to all: one waiter must not receive those of all."""
    if len(left) > 1:
        with ledger.subscriptions.watch_all() as receive:
            yield receive
        return
    job_id = next(iter(left))
    with ledger.subscriptions.watch(job_id) as is_notified:
        yield lambda seconds: job_id if is_notified(seconds) else None


def _finished_already(ledger: Ledger, left: dict[str, None]) -> Iterator[str]:
    everything = iter(list(left))
    while chunk := list(islice(everything, CHUNK)):
        for job_id, state in zip(chunk, ledger.subscriptions.states(chunk), strict=True):
            if state is None:
                ledger.jobs.get(job_id)  # raises JobNotFound
            elif state.finished:
                yield job_id


def _receive_more(receive: Callable[[float], str | None]) -> Iterator[str]:
    for _ in range(CHUNK):
        job_id = receive(0)
        if job_id is None:
            return
        yield job_id


def _take_finished(ledger: Ledger, left: dict[str, None], finished: Iterable[str]) -> Iterator[Job]:
    wanted = (job_id for job_id in finished if job_id in left)
    while chunk := list(dict.fromkeys(islice(wanted, CHUNK))):
        found = ledger.jobs.get_many(chunk)  # if this fails, all of them are read again
        for job_id in chunk:
            del left[job_id]
        yield from found
        if len(found) < len(chunk):  # purged between its end and this read
            gone = next(iter(set(chunk) - {job.job_id for job in found}))
            raise JobNotFound(f"There is no job {gone!r} in the ledger any more.")
