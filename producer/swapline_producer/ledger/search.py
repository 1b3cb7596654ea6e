"""Finding jobs by what they are, in pages that neither repeat nor skip a job, however jobs move meanwhile.

There is no index of all jobs: a waiting job would pay for it. Those that there are (by state, by tenant and batch) are
looked through in calls of a millisecond or two. The order is that of the ids, which begin with the moment they were
made and never change; so the last id of a page says where the next one begins.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import FailureCode, Frozen, Notification, State, batch_key
from swapline_producer.ledger.scripts import LedgerPart, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swapline_producer.contract import Job

BUDGET = 3000
"""Units of work of one call (see scan.lua): one to two milliseconds of the server's time (measured)."""

SORTED_EACH_TIME = 5000
"""Ids of a page up to which it pays to sort after each call, so that the server has less to tell."""

WITH_CODE = (State.HELD, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED)
"""States in which a job has a failure code."""

TOLD = (State.HELD, State.SUCCEEDED, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED)
"""States of which a webhook tells; in all others the notification is NONE."""


class JobFilter(Frozen):
    """Which jobs are looked for. What is empty or None says nothing; several values of one kind mean any of them."""

    states: tuple[State, ...] = ()
    codes: tuple[FailureCode, ...] = ()
    tenants: tuple[str, ...] = ()
    batch: str | None = None
    notification: Notification | None = None
    accepted_from: int | None = None
    """Accepted at this moment or later, in milliseconds by the ledger's clock."""
    accepted_before: int | None = None

    @property
    def has_index_of_batches(self) -> bool:
        """Whether the index of a batch has all that fit: it belongs to a tenant, so that must be said as well."""
        return self.batch is not None and bool(self.tenants)

    @property
    def everything(self) -> bool:
        """Whether nothing is said: every job there is fits."""
        return self == JobFilter()

    def fits(self, job: Job) -> bool:
        """Whether a job, as it was read, is looked for."""
        return (
            job.state in self.possible_states()
            and (not self.codes or job.failure_code in self.codes)
            and (not self.tenants or job.tenant in self.tenants)
            and self.batch in {None, job.spec.batch}
            and self.notification in {None, job.notification}
            and (self.accepted_from is None or job.created_at >= self.accepted_from)
            and (self.accepted_before is None or job.created_at < self.accepted_before)
        )

    def possible_states(self) -> tuple[State, ...]:
        """The states in which a job can fit, in the order of the story."""
        possible = set(self.states or State)
        if self.codes:
            possible &= set(WITH_CODE)
        if self.notification not in {None, Notification.NONE}:
            possible &= set(TOLD)
        return tuple(state for state in State if state in possible)


class Search(LedgerPart):
    """Looks for jobs."""

    def find(self, wanted: JobFilter, *, limit: int, after: str | None = None, oldest_first: bool = False) -> list[str]:
        """The ids of jobs that fit, newest first unless `oldest_first`: at most `limit` of those after the id `after`.

        A job that fits all the while is found, and once, whatever else moves; one that comes to fit or ceases to fit
        in these moments may be found or not.
        """
        if not wanted.possible_states():
            return []
        best = _Best(limit, after, oldest_first=oldest_first)
        since = self._pass(wanted, best, down=not oldest_first, lowest=wanted.accepted_from)
        if not wanted.has_index_of_batches:  # a job that moved meanwhile has a new place: those are few, and at the end
            while True:
                since, again = self._catch_up(wanted, best, since)
                if not again:
                    break
        return best.ids()

    def pages(
        self, wanted: JobFilter, *, limit: int, after: str | None = None, oldest_first: bool = False
    ) -> Iterator[list[str]]:
        """Every job that fits, in pages of `limit` ids; each is looked for when it is asked for."""
        while page := self.find(wanted, limit=limit, after=after, oldest_first=oldest_first):
            yield page
            if len(page) < limit:
                return
            after = page[-1]

    def _pass(self, wanted: JobFilter, best: _Best, *, down: bool, lowest: int | None) -> int:
        """Look through everything once; gives the moment at which that began."""
        began, place = None, None
        while began is None or place:
            answer = self._scan(wanted, best, down=down, lowest=lowest, place=place)
            began, place = began or answer["at"], answer.get("place")
        return int(began)

    def _catch_up(self, wanted: JobFilter, best: _Best, since: int) -> tuple[int, bool]:
        """Look at what has moved since a moment. Done in one call, nothing can have moved during it."""
        lowest = max(since, wanted.accepted_from or 0)
        answer = self._scan(wanted, best, down=False, lowest=lowest, place=None)
        began, place = answer["at"], answer.get("place")
        again = place is not None
        while place:
            place = self._scan(wanted, best, down=False, lowest=lowest, place=place).get("place")
        return began, again

    def _scan(
        self, wanted: JobFilter, best: _Best, *, down: bool, lowest: int | None, place: list[Any] | None
    ) -> dict[str, Any]:
        above, below = best.bounds()
        answer = self._scripts.run(
            "scan",
            indexes=_indexes(wanted),
            place=place or False,
            down=down,
            lowest=lowest or False,
            above=above,
            below=below,
            fields=_fields(wanted),
            **{"from": wanted.accepted_from or False, "to": wanted.accepted_before or False},
            budget=BUDGET,
        )
        best.add(listed(answer["ids"]))
        return answer


class _Best:
    """The first `limit` ids of an order, of all that were added."""

    def __init__(self, limit: int, after: str | None, *, oldest_first: bool) -> None:
        self._limit = limit
        self._after = after or ""
        self._oldest_first = oldest_first
        self._pick: Callable[[int, set[str]], list[str]] = heapq.nsmallest if oldest_first else heapq.nlargest
        self._ids: set[str] = set()
        self._worst = ""

    def add(self, ids: Sequence[str]) -> None:
        self._ids.update(ids)
        if len(self._ids) >= self._limit and (self._limit <= SORTED_EACH_TIME or len(self._ids) > 2 * self._limit):
            self._cut()

    def _cut(self) -> None:
        kept = self._pick(self._limit, self._ids)
        self._ids, self._worst = set(kept), kept[-1]

    def bounds(self) -> tuple[str, str]:
        """Only ids between these two can still matter."""
        return (self._after, self._worst) if self._oldest_first else (self._worst, self._after)

    def ids(self) -> list[str]:
        """In order."""
        return self._pick(self._limit, self._ids)


def _indexes(wanted: JobFilter) -> list[list[str]]:
    if wanted.batch is not None and wanted.tenants:
        return [["batch", batch_key(wanted.batch, tenant)] for tenant in wanted.tenants]
    if wanted.notification is Notification.DEAD:  # those have an index of their own: they are few
        return [["dead"]]
    return [["state", state] for state in wanted.possible_states()]


def _fields(wanted: JobFilter) -> list[list[object]]:
    """What a record must say beside what its index says already."""
    asked: list[tuple[str, Sequence[str]]] = [
        ("failure_code", wanted.codes),
        ("tenant", () if wanted.has_index_of_batches else wanted.tenants),
        ("batch", () if wanted.has_index_of_batches or wanted.batch is None else (wanted.batch,)),
        ("notification", _kept(wanted.notification)),
    ]
    if (wanted.has_index_of_batches or wanted.notification is Notification.DEAD) and len(
        wanted.possible_states()
    ) < len(State):
        asked.append(("state", wanted.possible_states()))
    return [[name, {str(value): True for value in values}] for name, values in asked if values]


def _kept(notification: Notification | None) -> tuple[str, ...]:
    """How a record says it: one that never had a webhook to tell says nothing."""
    if notification is None:
        return ()
    return ("", notification) if notification is Notification.NONE else (notification,)
