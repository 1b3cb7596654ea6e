"""The system's numbers, read at a cost that does not grow with the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from swapline_producer.contract import Priority, State
from swapline_producer.contract.jobs.stats import AccountFigures, Figures, Times
from swapline_producer.ledger.accounts.pool import FEWEST_SLOTS
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 1000
"""Milliseconds in one."""

TIMES = ("lag", "handover", "detection", "service", "storing", "wait", "turnaround", "webhook_lag")


class Stats(LedgerPart):
    """Numbers of the whole system."""

    def snapshot(self) -> Figures:
        """Return all numbers as of one moment."""
        return figures_of(self._scripts.run("snapshot", states=list(State), times=TIMES))

    def since_last_claim(self) -> int | None:
        """Return the milliseconds since any claim, or None after a minute."""
        with translated():
            last: Any = self._scripts.client.zrange(self._scripts.key("dispatchers"), -1, -1, withscores=True)
        return self._scripts.now() - round(last[0][1]) if last else None

    def overdue(self) -> float:
        """Return the seconds by which the longest due job is late."""
        with translated():
            first = self._timestamps("due", last=0)
        return max(0.0, max(self._ages(first), default=0.0))

    def dispatchers(self) -> list[float]:
        """Return the seconds since each worker of the last minute claimed."""
        with translated():
            return self._ages(self._timestamps("dispatchers"))

    def _timestamps(self, index: str, *, last: int = -1) -> list[float]:
        found = cast(
            "list[tuple[str, float]]",
            self._scripts.client.zrange(self._scripts.key(index), 0, last, withscores=True),
        )
        return [at for _, at in found]

    def _ages(self, timestamps: list[float]) -> list[float]:
        now = self._scripts.now()
        return [(now - at) / 1000 for at in timestamps]

    def census(self) -> dict[State, int]:
        """Count the jobs in each state."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(self._scripts.key("state", state))
            return dict(zip(State, pipe.execute(), strict=True))

    def counters(self) -> dict[str, int]:
        """Return the counters of the whole system."""
        with translated():
            counts = cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("count")))
        return {name: int(value) for name, value in counts.items()}

    def histograms(self, names: Sequence[str]) -> list[dict[int, float]]:
        """Read histograms of service times: bucket -> weight."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._scripts.key("hist", name))
            found = pipe.execute()
        return [{int(bucket): float(share) for bucket, share in one.items() if bucket.isdigit()} for one in found]


def figures_of(answer: Mapping[str, Any]) -> Figures:
    """Convert the ledger's answer to units and names."""
    at, meter = answer["at"], {name: int(text) for name, text in answer["meter"].items()}
    meter["t:lag:sum"] = int(answer["limits"].get("late", 0))
    counts = {
        name: number for name, number in meter.items() if not name.startswith(("t:", "idle:", "used", "waited", "by:"))
    }
    several = bool(answer["several"])
    accounts = tuple(_account(one, at, meter, f"by:{one['name']}:" if several else "") for one in answer["accounts"])
    paused = min([one for one in accounts if not one.drained] or accounts, key=lambda one: one.trips)
    return Figures(
        at=at / SECONDS,
        jobs={state: answer["jobs"][state] for state in State},
        waiting={priority: max(0, meter.get(f"waiting:{priority}", 0)) for priority in Priority},
        oldest_waiting=_ago(at, answer.get("oldest")),
        oldest_held=_ago(at, answer.get("oldest_held")),
        slots_used=answer["used"],
        slots_limit=sum(one.slots_limit for one in accounts),
        slots_cap=sum(one.slots_cap for one in accounts),
        breaker_open_for=paused.breaker_open_for,
        breaker_kind=paused.breaker_kind,
        breaker_reason=paused.breaker_reason,
        trips=paused.trips,
        store_failing=bool(answer["store"]),
        credits_today=answer["spent"],
        credits_per_day=None if several else accounts[0].credits_per_day,
        polls_failing_jobs=answer["polls_failing"],
        due=answer["due"],
        overdue=_ago(at, answer.get("first_due")) or 0.0,
        dispatchers=answer["dispatchers"],
        claimed_ago=_ago(at, answer.get("claimed")),
        webhooks_pending=meter.get("webhooks_pending", 0),
        counts=counts | {name: int(text) for name, text in answer["count"].items()},
        used_seconds=meter.get("used", 0) / SECONDS,
        idle_seconds=_idle(meter, ""),
        accounts=accounts if several else (),
        times=_times(answer["bounds"], meter),
    )


def _account(one: Mapping[str, Any], at: int, meter: Mapping[str, int], by: str) -> AccountFigures:
    """Return what lua/reads/snapshot.lua says of an account; its own counts begin with `by`."""
    limits, breaker = one["limits"], one["breaker"]
    limit, drained = int(limits.get("slots", limits.get("max_in_flight", FEWEST_SLOTS))), "drained" in limits
    per_day = limits.get("credits_per_day")
    return AccountFigures(
        name=one["name"],
        slots_used=one["used"],
        slots_limit=limit,
        slots_cap=0 if drained else min(limit, int(limits.get("cap", limit))),
        drained=drained,
        breaker_open_for=max(0, int(breaker.get("closed_until", 0)) - at) / SECONDS,
        breaker_kind=breaker.get("kind"),
        breaker_reason=breaker.get("reason"),
        trips=int(breaker.get("trips", 0)),
        credits_today=one["spent"],
        credits_per_day=int(per_day) if per_day else None,
        used_seconds=meter.get(f"{by}used", 0) / SECONDS,
        idle_seconds=_idle(meter, by),
    )


def _idle(meter: Mapping[str, int], by: str) -> dict[str, float]:
    prefix = f"{by}idle:"
    return {name.removeprefix(prefix): ms / SECONDS for name, ms in meter.items() if name.startswith(prefix)}


def _ago(at: int, timestamp: float | None) -> float | None:
    return None if timestamp is None else max(0.0, (at - timestamp) / SECONDS)


def _times(bounds: Mapping[str, list[int]], meter: Mapping[str, int]) -> dict[str, Times]:
    return {
        name: Times(
            buckets={float(str(end)) / SECONDS: meter.get(f"t:{name}:{end}", 0) for end in (*ends, "inf")},
            total=meter.get(f"t:{name}:sum", 0) / SECONDS,
        )
        for name, ends in sorted(bounds.items())
    }
