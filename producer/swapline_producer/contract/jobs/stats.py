"""The system in numbers: exact over all processes, kills and restarts."""

from __future__ import annotations

from pydantic import Field

from swapline_producer.contract import Frozen, Priority, State


class Times(Frozen):
    """A histogram of seconds."""

    buckets: dict[float, int]
    """End of a bucket (the last is infinite) -> values in it, not cumulated."""
    total: float
    """Sum of all values."""

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.buckets.values())


class Figures(Frozen):
    """The present, and counts since the ledger began. Seconds, bytes and credits."""

    at: float
    """Seconds since the epoch, by the ledger's clock."""
    jobs: dict[State, int]
    """Records in each state; those of finished jobs go after SWAPLINE_JOB_TTL."""
    waiting: dict[Priority, int]
    oldest_waiting: float | None
    """Seconds that the oldest queued job has waited."""
    oldest_held: float | None
    """Seconds since the first held job was held."""
    slots_used: int
    slots_limit: int
    slots_cap: int
    """May be used now: below the limit after a 429."""
    breaker_open_for: float
    """Seconds until jobs are submitted again; 0 while the submission breaker is closed."""
    breaker_kind: str | None
    """Why submitting is paused (see `BreakerTrip.kind`), or None."""
    breaker_reason: str | None
    store_failing: bool
    """Whether results cannot be stored: at most one new job is submitted."""
    trips: int
    credits_today: int
    credits_per_day: int | None
    polls_failing_jobs: int
    """Jobs of which a poll brought no news within the last five minutes."""
    due: int
    """Entries in `due`, for now or later."""
    overdue: float
    """Seconds by which the first is late."""
    dispatchers: int
    """Worker processes seen within the last minute."""
    claimed_ago: float | None
    """Seconds since the last claim; None where there never was one."""
    webhooks_pending: int
    counts: dict[str, int]
    """Fields of P:count and P:meter since the ledger began (see lua/meter.lua)."""
    used_seconds: float
    """Seconds of slots that jobs had, summed."""
    idle_seconds: dict[str, float]
    """Seconds of slots free while jobs waited for them, by reason."""
    times: dict[str, Times] = Field(default_factory=dict)
    """By name: lag, handover, detection, service, storing, wait, turnaround, webhook_lag."""

    def counted(self, kind: str) -> dict[str, int]:
        """Return the counts of a kind by the rest of their names: `finished:` -> {"SUCCEEDED": 3}."""
        return {name.removeprefix(kind): number for name, number in self.counts.items() if name.startswith(kind)}
