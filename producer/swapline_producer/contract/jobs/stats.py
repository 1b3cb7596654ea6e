"""The system in numbers: exact over all processes, kills and restarts."""

from __future__ import annotations

from pydantic import Field

from swapline_producer.contract import Frozen, Priority, State


class Times(Frozen):
    """A histogram of seconds."""

    buckets: dict[float, int]
    """End of a bucket (the last is infinite) -> values in it, not cumulated."""
    total: float

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.buckets.values())


class AccountFigures(Frozen):
    """One account now, and its counts since it began. Seconds and credits."""

    name: str
    slots_used: int
    slots_limit: int
    slots_cap: int
    """What may be used now: 0 while it is drained."""
    drained: bool
    breaker_open_for: float
    breaker_kind: str | None
    breaker_reason: str | None
    trips: int
    credits_today: int
    credits_per_day: int | None
    used_seconds: float
    idle_seconds: dict[str, float]


class Figures(Frozen):
    """The present, and counts since the ledger began."""

    at: float
    """Seconds since the epoch, by the ledger."""
    jobs: dict[State, int]
    """Finished ones go after SWAPLINE_JOB_TTL."""
    waiting: dict[Priority, int]
    oldest_waiting: float | None
    """Seconds."""
    oldest_held: float | None
    """Seconds since the first was held."""
    slots_used: int
    slots_limit: int
    slots_cap: int
    """Usable now: below the limit after a 429."""
    breaker_open_for: float
    """Seconds; 0 while the submission breaker is closed."""
    breaker_kind: str | None
    breaker_reason: str | None
    store_failing: bool
    """Results cannot be stored: at most one new job is submitted."""
    trips: int
    credits_today: int
    credits_per_day: int | None
    polls_failing_jobs: int
    """Jobs without news from polls for at most five minutes."""
    due: int
    """Entries in `due`, for now or later."""
    overdue: float
    """Seconds by which the first entry is late."""
    dispatchers: int
    """Worker processes seen within the last minute."""
    claimed_ago: float | None
    """Seconds since the last claim."""
    webhooks_pending: int
    counts: dict[str, int]
    """Fields of P:count and P:meter since the ledger began (see lua/parts/meter.lua)."""
    used_seconds: float
    idle_seconds: dict[str, float]
    """Seconds of slots free while jobs waited, by reason."""
    accounts: tuple[AccountFigures, ...] = ()
    """Where there are several; the slots above are their sums."""
    times: dict[str, Times] = Field(default_factory=dict)
    """By name: lag, handover, detection, service, storing, wait, turnaround, webhook_lag."""

    def counted(self, kind: str) -> dict[str, int]:
        """Return the counts of a kind, `finished:` -> {"SUCCEEDED": 3}."""
        return {name.removeprefix(kind): number for name, number in self.counts.items() if name.startswith(kind)}
