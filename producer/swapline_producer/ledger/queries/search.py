"""Search in pages that neither repeat nor skip a job, however jobs move: they follow the ids. See decision 0021."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import FailureCode, Frozen, Notification, State, batch_key
from swapline_producer.ledger.scripts import LedgerPart, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swapline_producer.contract import Job

BUDGET = 3000
"""Units of work of one call (see scan.lua): 1 to 2 ms of the server's time."""

SORTED_EACH_TIME = 5000
"""Ids of a page up to which sorting after each call pays."""

WITH_CODE = (State.HELD, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED)

WITH_WEBHOOK = (State.HELD, State.SUCCEEDED, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED)


class JobFilter(Frozen):
    """Empty and None match all; of several values, any."""

    states: tuple[State, ...] = ()
    codes: tuple[FailureCode, ...] = ()
    tenants: tuple[str, ...] = ()
    batch: str | None = None
    notification: Notification | None = None
    accepted_from: int | None = None
    """Milliseconds by the ledger's clock, inclusive."""
    accepted_before: int | None = None

    @property
    def has_index_of_batches(self) -> bool:
        """Whether a batch's index has all matches: its name is the tenant's own."""
        return self.batch is not None and bool(self.tenants)

    @property
    def everything(self) -> bool:
        """Whether every job matches."""
        return self == JobFilter()

    def fits(self, job: Job) -> bool:
        """Whether a job matches."""
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
        """Return the states in which a job can match."""
        possible = set(self.states or State)
        if self.codes:
            possible &= set(WITH_CODE)
        if self.notification not in {None, Notification.NONE}:
            possible &= set(WITH_WEBHOOK)
        return tuple(state for state in State if state in possible)


class Search(LedgerPart):
    """The search."""

    def find(self, wanted: JobFilter, *, limit: int, after: str | None = None, oldest_first: bool = False) -> list[str]:
        """Return at most `limit` matching ids after `after`, newest first unless `oldest_first`.

        A job that matches all the time is found once.
        """
        if not wanted.possible_states():
            return []
        best = _Best(limit, after, oldest_first=oldest_first)
        since = self._pass(wanted, best, down=not oldest_first, lowest=wanted.accepted_from)
        if not wanted.has_index_of_batches:  # jobs that moved meanwhile have new places: few, and at the end
            while True:
                since, again = self._catch_up(wanted, best, since)
                if not again:
                    break
        return best.ids()

    def pages(
        self, wanted: JobFilter, *, limit: int, after: str | None = None, oldest_first: bool = False
    ) -> Iterator[list[str]]:
        """Yield all matching ids in pages of `limit`."""
        while page := self.find(wanted, limit=limit, after=after, oldest_first=oldest_first):
            yield page
            if len(page) < limit:
                return
            after = page[-1]

    def _pass(self, wanted: JobFilter, best: _Best, *, down: bool, lowest: int | None) -> int:
        began, place = None, None
        while began is None or place:
            answer = self._scan(wanted, best, down=down, lowest=lowest, place=place)
            began, place = began or answer["at"], answer.get("place")
        return int(began)

    def _catch_up(self, wanted: JobFilter, best: _Best, since: int) -> tuple[int, bool]:
        """Read what has moved since a moment; nothing moves within one call."""
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
        """Return the ids between which others still matter."""
        return (self._after, self._worst) if self._oldest_first else (self._worst, self._after)

    def ids(self) -> list[str]:
        return self._pick(self._limit, self._ids)


def _indexes(wanted: JobFilter) -> list[list[str]]:
    if wanted.batch is not None and wanted.tenants:
        return [["batch", batch_key(wanted.batch, tenant)] for tenant in wanted.tenants]
    if wanted.notification is Notification.DEAD:  # those have an index of their own: they are few
        return [["dead"]]
    return [["state", state] for state in wanted.possible_states()]


def _fields(wanted: JobFilter) -> list[list[object]]:
    asked: list[tuple[str, Sequence[str]]] = [
        ("failure_code", wanted.codes),
        ("tenant", () if wanted.has_index_of_batches else wanted.tenants),
        ("batch", () if wanted.has_index_of_batches or wanted.batch is None else (wanted.batch,)),
        ("notification", _notification_text(wanted.notification)),
    ]
    if (wanted.has_index_of_batches or wanted.notification is Notification.DEAD) and len(
        wanted.possible_states()
    ) < len(State):
        asked.append(("state", wanted.possible_states()))
    return [[name, {str(value): True for value in values}] for name, values in asked if values]


def _notification_text(notification: Notification | None) -> tuple[str, ...]:
    if notification is None:
        return ()
    return ("", notification) if notification is Notification.NONE else (notification,)
