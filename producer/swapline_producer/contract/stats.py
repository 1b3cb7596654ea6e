"""The system in numbers, as the ledger has counted them: exact over all processes, kills and restarts."""

from __future__ import annotations

from pydantic import Field

from swapline_producer.contract import Frozen, Priority, State


class Times(Frozen):
    """A histogram of seconds."""

    buckets: dict[float, int]
    """End of a bucket (the last one is infinite) -> values in it, not added up."""
    total: float
    """The sum of all values."""

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.buckets.values())


class Figures(Frozen):
    """What there is now, and what has been since the ledger began. Seconds, bytes and credits."""

    at: float
    """Seconds since the epoch, by the ledger's clock."""
    jobs: dict[State, int]
    """Records in each state; those of finished jobs go after SWAPLINE_JOB_TTL."""
    waiting: dict[Priority, int]
    oldest_waiting: float | None
    """Seconds since the oldest of the queued jobs began to wait."""
    oldest_held: float | None
    """Seconds since the first of the held jobs was held."""
    slots_used: int
    slots_limit: int
    slots_cap: int
    """What may be used now: less than the limit after the vendor said 429."""
    breaker_open_for: float
    """Seconds until jobs are submitted again; 0 while the submission breaker is closed."""
    breaker_kind: str | None
    """Why submitting is paused (a word of `BreakerTrip.kind`); None where nothing is wrong."""
    breaker_reason: str | None
    store_failing: bool
    """Whether results cannot be stored, so that nothing new is submitted, or one job goes first."""
    trips: int
    credits_today: int
    credits_per_day: int | None
    polls_failing_jobs: int
    """Jobs of which a poll brought no news within the last five minutes."""
    due: int
    """Jobs with an entry in `due`, for now or later."""
    overdue: float
    """Seconds by which the first of them is late."""
    dispatchers: int
    """Worker processes that were heard of within the last minute."""
    claimed_ago: float | None
    """Seconds since any of them last took what was due; None where there never was one."""
    webhooks_pending: int
    counts: dict[str, int]
    """Facts since the ledger began: the fields of P:count and P:meter (lua/meter.lua says what they are)."""
    used_seconds: float
    """Seconds of slots that jobs had, added up."""
    idle_seconds: dict[str, float]
    """Seconds of slots that were free while jobs waited for them, by reason."""
    times: dict[str, Times] = Field(default_factory=dict)
    """Histograms by name: lag, handover, detection, service, storing, wait, turnaround, webhook_lag."""

    def counted(self, kind: str) -> dict[str, int]:
        """The counts whose names begin with a kind, without it: `finished:` -> {"SUCCEEDED": 3}."""
        return {name.removeprefix(kind): number for name, number in self.counts.items() if name.startswith(kind)}
