"""The list of jobs: filters, and pages that do not shift while jobs move."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlencode

from swapline_producer.contract import FailureCode, Priority, State
from swapline_producer.ledger.queries.occupancy import Entry
from swapline_workers.board.labels import WITHOUT_SUCCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.datastructures import QueryParams

    from swapline_producer.ledger import Ledger

PAGE = 50
"""Jobs: two screens."""

CHUNK = 500
"""Jobs of one round trip, 5 ms."""

MAX_READ = 3_000
"""Jobs read for one page, 60 ms."""

FIELDS = ("state", "tenant", "priority", "batch", "failure_code", "created_at", "polls", "credits", "notification")
TRAITS = ("state", "tenant", "priority", "failure_code", "batch")

Word = TypeVar("Word", bound=StrEnum)
_CURSOR = re.compile(r"([0-9]{1,15})-([A-Za-z0-9_-]{1,64})")


class NotUnderstood(ValueError):  # noqa: N818 -- a sentence for the person who wrote the address
    """An unknown filter or page."""


class Row(NamedTuple):
    """`at`: when the job came into its state, in milliseconds."""

    job_id: str
    at: int
    state: State
    tenant: str
    priority: str
    batch: str
    code: str
    created_at: int
    polls: int
    credits: int
    notification: str


@dataclass(frozen=True, slots=True)
class Filters:
    """An empty part wants all."""

    states: tuple[State, ...] = ()
    tenant: str = ""
    priority: Priority | None = None
    code: FailureCode | None = None
    batch: str = ""
    line: bool = False
    """In the waiting line, which has an index of its own."""
    before: Entry | None = None

    @classmethod
    def of(cls, query: QueryParams) -> Filters:
        """Read them from an address. Raises NotUnderstood."""
        return cls(
            states=tuple(_one_of(State, "state", value) for value in query.getlist("state") if value),
            tenant=query.get("tenant", "").strip(),
            priority=_one_of(Priority, "priority", query["priority"]) if query.get("priority") else None,
            code=_one_of(FailureCode, "code", query["code"]) if query.get("code") else None,
            batch=query.get("batch", "").strip(),
            line=query.get("line") == "1" and bool(query.get("tenant", "").strip()),
            before=_entry(query["before"]) if query.get("before") else None,
        )

    def address(self, **changes: str) -> str:
        """Return this list's address with other values."""
        values = {
            "tenant": self.tenant,
            "priority": self.priority or "",
            "code": self.code or "",
            "batch": self.batch,
            "line": "1" if self.line else "",
        } | {name: value for name, value in changes.items() if name != "state"}
        states = [changes["state"]] if "state" in changes else [state.value for state in self.states]
        pairs = [("state", state) for state in states if state]
        pairs += [(name, value) for name, value in values.items() if value]
        return f"/jobs?{urlencode(pairs)}" if pairs else "/jobs"

    @property
    def any(self) -> bool:
        """Whether a filter is set."""
        return bool(self.states or self.tenant or self.priority or self.code or self.batch)

    @property
    def indexed(self) -> bool:
        """Whether an index has just the wanted jobs."""
        return not (self.tenant or self.priority or self.code or self.batch)

    def wants(self, traits: dict[str, str | None]) -> bool:
        """Whether a job passes the filters, by fields of its record."""
        return (
            (not self.states or traits["state"] in self.states)
            and self.tenant in ("", traits["tenant"])
            and (self.priority is None or traits["priority"] == self.priority)
            and (self.code is None or traits["failure_code"] == self.code)
            and self.batch in ("", traits["batch"])
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """`next`: where the next page begins, or None."""

    rows: list[Row] = field(default_factory=list)
    next: Entry | None = None
    jobs_read: int = 0
    stopped_early: bool = False
    """Older jobs have not been read."""


def listing(ledger: Ledger, filters: Filters, *, page: int = PAGE) -> Listing:
    """Return one page. Reads at most `MAX_READ` jobs."""
    found: list[Entry] = []
    before, jobs_read = filters.before, 0
    while jobs_read < MAX_READ:
        wanted = page + 1 if filters.indexed else CHUNK
        entries = _entries(ledger, filters, before, wanted)
        jobs_read += len(entries)
        found += entries if filters.indexed else _fitting(ledger, filters, entries)
        if len(found) > page:
            return Listing(rows_of(ledger, found[:page]), found[page - 1], jobs_read)
        if len(entries) < wanted:
            return Listing(rows_of(ledger, found), None, jobs_read)
        before = entries[-1]
    return Listing(rows_of(ledger, found), before, jobs_read, stopped_early=True)


def _fitting(ledger: Ledger, filters: Filters, entries: list[Entry]) -> list[Entry]:
    have = ledger.occupancy.fields((entry.job_id for entry in entries), TRAITS)
    return [entry for entry, traits in zip(entries, have, strict=True) if filters.wants(traits)]


def rows_of(ledger: Ledger, entries: Iterable[Entry]) -> list[Row]:
    """Read the jobs of some entries, without those expired."""
    wanted = list(entries)
    return list(_rows(wanted, ledger.occupancy.fields((entry.job_id for entry in wanted), FIELDS)))


def _rows(entries: list[Entry], found: list[dict[str, str | None]]) -> Iterator[Row]:
    for entry, fields in zip(entries, found, strict=True):
        if fields["state"] is None:
            continue
        yield Row(
            job_id=entry.job_id,
            at=entry.at,
            state=State(fields["state"]),
            tenant=fields["tenant"] or "",
            priority=fields["priority"] or "",
            batch=fields["batch"] or "",
            code=fields["failure_code"] or "",
            created_at=int(fields["created_at"] or 0),
            polls=int(fields["polls"] or 0),
            credits=int(fields["credits"] or 0),
            notification=fields["notification"] or "NONE",
        )


def _entries(ledger: Ledger, filters: Filters, before: Entry | None, limit: int) -> list[Entry]:
    if filters.batch and filters.tenant:
        return ledger.occupancy.newest_of_batch(filters.batch, filters.tenant, before=before, limit=limit)
    if filters.line:
        priorities = (filters.priority,) if filters.priority else tuple(Priority)
        return ledger.occupancy.newest_waiting(filters.tenant, priorities, before=before, limit=limit)
    states = filters.states or ((*WITHOUT_SUCCESS, State.HELD) if filters.code else tuple(State))
    return ledger.occupancy.newest(states, before=before, limit=limit)


def _one_of(kind: type[Word], name: str, value: str) -> Word:
    try:
        return kind(value)
    except ValueError:
        raise NotUnderstood(f"There is no {name} of that name; there are {', '.join(kind)}.") from None


def _entry(text: str) -> Entry:
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise NotUnderstood("This page does not exist; begin with the first one.")
    return Entry(int(found[1]), found[2])
