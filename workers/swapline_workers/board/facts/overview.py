"""The facts of the first page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import CREDITS_PER_JOB, FINISHED, State
from swapline_workers.board.facts.listing import Row, rows_of
from swapline_workers.board.labels import WITHOUT_SUCCESS

if TYPE_CHECKING:
    from swapline_producer.contract.accounts import CreditsView, SlotsView
    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.queries.occupancy import Line, Occupant

MINUTE, HOUR = 60_000, 3_600_000
"""Milliseconds."""

LATEST = 8

RECENT_FAILURES = 200
"""Failures counted by code, in 10 ms."""


class Notice(NamedTuple):
    """A problem of now."""

    tone: str
    text: str
    link: str = ""


class Code(NamedTuple):
    """How often among the latest failures, and in all."""

    code: str
    latest: int
    in_all: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    states: dict[State, int]
    slots: SlotsView
    occupants: list[Occupant]
    lines: list[Line]
    workers: int
    last_hour: dict[State, int]
    counters: dict[str, int]
    credits: CreditsView
    codes: list[Code]
    latest: list[Row]
    notices: list[Notice]

    @property
    def headline(self) -> str:
        """The one thing to know; also the page's title."""
        if not self.notices:
            return "All is well"
        return "Needs attention" if len(self.notices) == 1 else f"{len(self.notices)} things need attention"

    @property
    def news(self) -> str:
        """For screen readers when the page changes."""
        return ". ".join([self.headline, *(notice.text for notice in self.notices)])

    @property
    def latest_failures(self) -> int:
        """Return how many failures the codes' first column counts."""
        return sum(one.latest for one in self.codes)

    @property
    def finished_last_hour(self) -> int:
        """The jobs that ended in the last hour."""
        return sum(self.last_hour.values())

    @property
    def failed_last_hour(self) -> int:
        """Those of them without success."""
        return sum(self.last_hour[state] for state in WITHOUT_SUCCESS)

    @property
    def waiting_tenants(self) -> int:
        """The tenants in the lines; one in two counts twice."""
        return sum(line.tenants for line in self.lines)


def read_overview(ledger: Ledger) -> Overview:
    """Read the facts in ten round trips, none of which grows with the jobs."""
    states, slots, counters = ledger.stats.census(), ledger.limits.slots(), ledger.stats.counters()
    credits_, workers = ledger.limits.credits(), ledger.occupancy.live_dispatchers(since=slots.at - MINUTE)
    return Overview(
        states=states,
        slots=slots,
        occupants=ledger.occupancy.occupants(),
        lines=ledger.occupancy.lines(),
        workers=workers,
        last_hour=ledger.occupancy.came_since(slots.at - HOUR, sorted(FINISHED)),
        counters=counters,
        credits=credits_,
        codes=_codes(ledger, counters),
        latest=rows_of(ledger, ledger.occupancy.newest(State, limit=LATEST)),
        notices=_notices(states, slots, credits_, workers),
    )


def _codes(ledger: Ledger, counters: dict[str, int]) -> list[Code]:
    ids = [entry.job_id for entry in ledger.occupancy.newest(WITHOUT_SUCCESS, limit=RECENT_FAILURES)]
    latest = Counter(code for _, code, _ in ledger.summaries.outlines(ids) if code)
    in_all = {name.removeprefix("failed."): number for name, number in counters.items() if name.startswith("failed.")}
    codes = [Code(code, latest[code], in_all.get(code, latest[code])) for code in {*latest, *in_all}]
    return sorted(codes, key=lambda one: (-one.latest, -one.in_all, one.code))


def _notices(states: dict[State, int], slots: SlotsView, spending: CreditsView, workers: int) -> list[Notice]:
    found = []
    waits = any(states[state] for state in State if not state.finished and state is not State.HELD)
    if workers == 0 and waits:
        found.append(Notice("bad", "No worker has been seen for a minute, and jobs wait: swapline worker"))
    elif workers == 0:
        found.append(Notice("held", "No worker has been seen for a minute. Nothing waits for one yet."))
    if slots.paused:
        found.append(Notice("bad", f"Submitting is paused: {slots.reason or 'the vendor refuses'}."))
    paused = [one for one in slots.accounts if one.reason is not None and not slots.paused]
    found += [Notice("held", f"Submitting to the account {one.name} is paused: {one.reason}.") for one in paused]
    if slots.store_failing_since is not None:
        found.append(Notice("bad", f"Nothing new is submitted: results cannot be stored ({slots.store_reason})."))
    if states[State.HELD]:
        number = states[State.HELD]
        jobs = "1 job waits" if number == 1 else f"{number:,} jobs wait"
        found.append(Notice("held", f"{jobs} for a decision of yours.", "/jobs?state=HELD"))
    if spending.per_day is not None and spending.spent + CREDITS_PER_JOB > spending.per_day:
        found.append(Notice("bad", f"Today's {spending.per_day:,} credits are spent; jobs wait for tomorrow (UTC)."))
    if slots.cap < slots.limit:
        found.append(Notice("held", f"The vendor answered 429: {slots.cap} of {slots.limit} slots are used for now."))
    return found
