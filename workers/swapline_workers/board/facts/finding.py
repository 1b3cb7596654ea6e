"""Search: one field for any id, key or name. Without an index, among the latest jobs only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import State
from swapline_workers.board.facts.listing import Row, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.queries.occupancy import Entry

LATEST = 1_500
"""Jobs read for what has no index, in 30 ms."""

SHOWN = 20

LONGEST = 300
"""Characters: an idempotency key has at most 255."""

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PART = 6
"""Characters of an id; fewer are in too many ids."""


class BatchSize(NamedTuple):
    """A tenant's batch, and its number of jobs."""

    tenant: str
    name: str
    jobs: int


@dataclass(slots=True)
class Found:
    """What was found for a question."""

    question: str
    job_id: str | None = None
    by_key: list[Row] = field(default_factory=list)
    batches: list[BatchSize] = field(default_factory=list)
    by_vendor_id: list[Row] = field(default_factory=list)
    by_part: list[Row] = field(default_factory=list)
    by_tenant: list[Row] = field(default_factory=list)
    jobs_read: int = 0

    @property
    def nothing(self) -> bool:
        """Whether nothing was found."""
        return not (self.batches or self.by_key or self.by_vendor_id or self.by_part or self.by_tenant)

    @property
    def only(self) -> str | None:
        """The only job found, or None."""
        exact = {row.job_id for row in (*self.by_key, *self.by_vendor_id)}
        return exact.pop() if len(exact) == 1 and not self.batches and not self.by_tenant else None


def find(ledger: Ledger, question: str) -> Found:
    """Search in every index, and in the latest jobs."""
    found = Found(question.strip()[:LONGEST])
    text = found.question
    if not text:
        return found
    if "\0" not in text and ledger.occupancy.fields([text], ["state"])[0]["state"] is not None:
        found.job_id = text
        return found
    latest = ledger.occupancy.newest(State, limit=LATEST)
    found.jobs_read = len(latest)
    have = ledger.occupancy.fields((entry.job_id for entry in latest), ("tenant", "vendor_job_id"))
    tenants = {one["tenant"] for one in have if one["tenant"]}
    named = _of_tenants(text, tenants)
    found.batches = _batches(ledger, named)
    found.by_key = rows_of(ledger, ledger.occupancy.holders((tenant, key) for key, tenant in named))
    found.by_vendor_id = _some(ledger, (e for e, one in zip(latest, have, strict=True) if one["vendor_job_id"] == text))
    if TENANT.fullmatch(text):
        found.by_tenant = _some(ledger, (e for e, one in zip(latest, have, strict=True) if one["tenant"] == text))
    if len(text) >= PART:
        found.by_part = _some(ledger, (entry for entry in latest if text.lower() in entry.job_id))
    return found


def _some(ledger: Ledger, entries: Iterable[Entry]) -> list[Row]:
    return rows_of(ledger, list(entries)[:SHOWN])


def _batches(ledger: Ledger, named: list[tuple[str, str]]) -> list[BatchSize]:
    sizes = ledger.occupancy.batch_sizes(named)
    return [BatchSize(tenant, name, jobs) for (name, tenant), jobs in zip(named, sizes, strict=True) if jobs]


def _of_tenants(text: str, tenants: set[str]) -> list[tuple[str, str]]:
    """Of any recent tenant, or as written `tenant/key`."""
    pairs = [(text, tenant) for tenant in sorted({"default", *tenants})]
    tenant, slash, rest = text.partition("/")
    if slash and TENANT.fullmatch(tenant):
        pairs.append((rest, tenant))
    return pairs
