"""Slots, waiting lines and the newest jobs, for the board. No read grows with the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import Priority, State, batch_key
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.ledger.accounts.pool import AccountPool
from swapline_producer.ledger.scripts import LedgerPart, pools_of, sublines_of, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TIES = 5_000
"""Entries of one millisecond that a page reads; a server accepts about 30."""


class Entry(NamedTuple):
    """When a job entered an index (UTC milliseconds), and its id."""

    at: int
    job_id: str


class Occupant(NamedTuple):
    """A job with a slot, and since when."""

    job_id: str
    since: int
    state: str
    tenant: str
    account: str = DEFAULT_ACCOUNT


class TenantBacklog(NamedTuple):
    """A tenant's jobs in one waiting line."""

    priority: Priority
    tenant: str
    jobs: int
    oldest_at: int | None
    capped_until: int | None
    """Until when its spent daily credits hold it back."""
    pool: str = ""
    """Accounts that these jobs may use, names and labels with commas; empty: all."""


class Place(NamedTuple):
    """`position` 1 is next; None where it does not wait for a slot."""

    position: int | None
    slots: int


class Line(NamedTuple):
    """A line's next tenants, and how many there are."""

    priority: Priority
    tenants: int
    next: tuple[TenantBacklog, ...]


class Occupancy(LedgerPart):
    """Reads for the board."""

    def occupants(self, limit: int = 24) -> list[Occupant]:
        """Return the jobs with a slot of any account, the longest first."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for key in self._slots_keys():
                pipe.zrange(key, 0, limit - 1, withscores=True)
            held = sorted((entry for one in pipe.execute() for entry in one), key=lambda entry: entry[1])[:limit]
            for job_id, _ in held:
                pipe.hmget(self._scripts.key("job", job_id), "state", "tenant", "account")
            found = pipe.execute()
        return [
            Occupant(job_id, int(since), state or "", tenant or "", account or DEFAULT_ACCOUNT)
            for (job_id, since), (state, tenant, account) in zip(held, found, strict=True)
        ]

    def _slots_keys(self) -> list[str]:
        names = AccountPool(self._scripts).known()
        return [self._scripts.key("slots", *([] if name == DEFAULT_ACCOUNT else [name])) for name in names]

    def place(self, job_id: str) -> Place:
        """Return where a job stands, estimated: tenants take turns."""
        answer = self._scripts.run("place", id=job_id)
        return Place(answer.get("position"), answer["slots"])

    def lines(self, limit: int = 20) -> list[Line]:
        """Return the three waiting lines, each with the next `limit` tenants of each pool of accounts."""
        sublines = self._sublines(Priority)
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for _, subline in sublines:
                pipe.zcard(self._scripts.key("line", subline))
                pipe.zrange(self._scripts.key("line", subline), 0, limit - 1, withscores=True)
                pipe.zcard(self._scripts.key("capped", subline))
                pipe.zrange(self._scripts.key("capped", subline), 0, limit - 1, withscores=True)
            flat = pipe.execute()
        tenants: dict[Priority, int] = dict.fromkeys(Priority, 0)
        standings: dict[Priority, tuple[TenantBacklog, ...]] = dict.fromkeys(Priority, ())
        for number, (priority, subline) in enumerate(sublines):
            in_line, first, capped, waiting = flat[4 * number : 4 * number + 4]
            tenants[priority] += in_line + capped
            standings[priority] += self._standings(priority, subline, first, waiting)
        return [Line(priority, tenants[priority], standings[priority]) for priority in Priority]

    def _sublines(self, priorities: Iterable[Priority]) -> list[tuple[Priority, str]]:
        pools = pools_of(self._scripts)
        return [(priority, subline) for priority in priorities for subline in sublines_of(priority, pools)]

    def live_dispatchers(self, since: int) -> int:
        """Count the workers that have claimed from `since` on, at most a minute ago."""
        with translated():
            return int(self._scripts.client.zcount(self._scripts.key("dispatchers"), since, "+inf"))

    def came_since(self, at: int, states: Iterable[State]) -> dict[State, int]:
        """Count the jobs that entered these states since a moment."""
        wanted = list(states)
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for state in wanted:
                pipe.zcount(self._scripts.key("state", state), at, "+inf")
            return dict(zip(wanted, pipe.execute(), strict=True))

    def newest(self, states: Iterable[State], *, before: Entry | None = None, limit: int = 50) -> list[Entry]:
        """Return jobs in these states, the last changed first, from `before` on.

        A job that moves meanwhile is on the first page again.
        """
        return self._newest([self._scripts.key("state", state) for state in states], before, limit)

    def newest_of_batch(self, batch: str, tenant: str, *, before: Entry | None = None, limit: int = 50) -> list[Entry]:
        """Return jobs of a tenant's batch, the last accepted first."""
        return self._newest([self._scripts.key("batch", batch_key(batch, tenant))], before, limit)

    def newest_waiting(
        self, tenant: str, priorities: Iterable[Priority], *, before: Entry | None = None, limit: int
    ) -> list[Entry]:
        """Return jobs of a tenant in these lines, the last accepted first."""
        keys = [self._scripts.key("line", subline, tenant) for _, subline in self._sublines(priorities)]
        return self._newest(keys, before, limit)

    def waiting_of(self, tenants: Iterable[str]) -> list[int]:
        """Count each tenant's waiting jobs of all priorities."""
        wanted, sublines = list(tenants), self._sublines(Priority)
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for tenant in wanted:
                for _, subline in sublines:
                    pipe.zcard(self._scripts.key("line", subline, tenant))
            sizes = pipe.execute()
        return [sum(sizes[n : n + len(sublines)]) for n in range(0, len(sizes), len(sublines))]

    def fields(self, job_ids: Iterable[str], names: Sequence[str]) -> list[dict[str, str | None]]:
        """Return fields of several jobs as text, or None."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(self._scripts.key("job", job_id), *names)
            return [dict(zip(names, found, strict=True)) for found in pipe.execute()]

    def holders(self, keys: Iterable[tuple[str, str]]) -> list[Entry]:
        """Return the jobs with these idempotency keys (tenant, key)."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for tenant, key in keys:
                pipe.get(self._scripts.key("key", tenant, key))
            return [Entry(0, holder.rpartition(" ")[2]) for holder in pipe.execute() if holder]

    def batch_sizes(self, batches: Iterable[tuple[str, str]]) -> list[int]:
        """Count the jobs of these batches (name, tenant)."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for batch, tenant in batches:
                pipe.zcard(self._scripts.key("batch", batch_key(batch, tenant)))
            return [int(size) for size in pipe.execute()]

    def _standings(
        self, priority: Priority, subline: str, first: list[tuple[str, float]], capped: list[tuple[str, float]]
    ) -> tuple[TenantBacklog, ...]:
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for tenant, _ in (*first, *capped):
                pipe.zcard(self._scripts.key("line", subline, tenant))
                pipe.zrange(self._scripts.key("line", subline, tenant), 0, 0, withscores=True)
            found = pipe.execute()
        pool = subline.partition("/")[2]
        sizes = list(zip(found[::2], found[1::2], strict=True))
        standings = [
            TenantBacklog(priority, tenant, jobs, int(oldest[0][1]) if oldest else None, None, pool)
            for (tenant, _), (jobs, oldest) in zip(first, sizes, strict=False)
        ]
        standings += [
            TenantBacklog(priority, tenant, jobs, int(oldest[0][1]) if oldest else None, int(until), pool)
            for (tenant, until), (jobs, oldest) in zip(capped, sizes[len(first) :], strict=True)
        ]
        return tuple(standings)

    def _newest(self, keys: list[str], before: Entry | None, limit: int) -> list[Entry]:
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for key in keys:
                top = f"({before.at}" if before else "+inf"
                pipe.zrange(key, top, "-inf", desc=True, byscore=True, offset=0, num=limit, withscores=True)
                if before:  # the page before ended among those of the same millisecond
                    pipe.zrange(key, before.at, before.at, desc=True, byscore=True, offset=0, num=TIES, withscores=True)
            replies = pipe.execute()
        found = {Entry(int(at), job_id) for reply in replies for job_id, at in reply}
        return sorted((entry for entry in found if before is None or entry < before), reverse=True)[:limit]
