"""Limits of the account, and how much of them is used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from swapline_producer.contract import Priority
from swapline_producer.contract.changes import CreditsView, Limits, Probe, SlotsView
from swapline_producer.ledger.scripts import LedgerPart, granted, listed, translated

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400
"""Seconds."""

FEWEST_SLOTS = 3
"""The basic plan's slots, until a worker names a limit."""


class InstallationLimits(LedgerPart):
    """Limits of the waiting line."""

    def current(self) -> Limits:
        """Return the limits in force."""
        with translated():
            return Limits.from_ledger(cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("limits"))))

    def configure(self, limits: Limits) -> None:
        """Set the named limits; living workers' come back (see `join`)."""
        with translated():
            for name, value in limits.named().items():
                self._scripts.client.hset(self._scripts.key("limits"), name, value)

    def forget(self, limits: Iterable[str]) -> None:
        """Lift limits, given as fields of `Limits`."""
        with translated():
            for name in limits:
                self._scripts.client.hdel(self._scripts.key("limits"), "rescue_ms" if name == "rescue_after" else name)

    def set_slots(self, number: int | None, *, by: str = "") -> None:
        """Use `number` slots, whatever the workers' setting; None restores the setting. `by`: who wants it."""
        name = self._scripts.key("limits")
        with translated():
            if number is None:
                self._scripts.client.hdel(name, "slots", "slots_before", "slots_by")
            else:
                self._scripts.client.hset(name, mapping={"slots": number, "slots_by": by})
                self._scripts.client.hdel(name, "slots_before")

    def slots_set(self) -> int | None:
        """Return the number of slots set by a person, or None."""
        with translated():
            found = self._scripts.client.hget(self._scripts.key("limits"), "slots")
        return None if found is None else int(found)

    def suspend_slots(self) -> None:
        """Grant no slot until `resume_slots`."""
        now = self.slots_set()
        with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(self._scripts.key("limits"), "slots_before", "" if now is None else str(now))
            pipe.hset(self._scripts.key("limits"), "slots", 0)
            pipe.execute()

    def resume_slots(self) -> None:
        """Restore what was set before the first suspension."""
        with translated():
            before = self._scripts.client.hget(self._scripts.key("limits"), "slots_before")
        self.set_slots(int(before) if before else None)

    def set_credits(self, tenant: str, per_day: int | None) -> None:
        """Let a tenant spend `per_day` credits a day (UTC); None lifts the cap."""
        with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
            if per_day is None:
                pipe.hdel(self._scripts.key("caps"), tenant)
            else:
                pipe.hset(self._scripts.key("caps"), tenant, per_day)
            for priority in Priority:  # capped tenants return now, and are capped again where they must be
                pipe.zadd(self._scripts.key("capped", priority), {tenant: 0}, xx=True)
            pipe.execute()

    def slots(self) -> SlotsView:
        """Return how the account is used now."""
        answer = self._scripts.run("slots")
        at, limits, breaker, store = answer["at"], answer["limits"], answer["breaker"], answer["store"]
        limit = int(limits.get("slots", limits.get("max_in_flight", FEWEST_SLOTS)))
        closed = int(breaker.get("closed_until", 0))
        return SlotsView(
            limit=limit,
            cap=min(limit, int(limits.get("cap", limit))),
            in_flight=tuple(listed(answer["in_flight"])),
            waiting=answer["waiting"],
            set_by=limits.get("slots_by") or None,
            closed_until=closed if closed > at else None,
            reason=breaker.get("reason"),
            trips=int(breaker.get("trips", 0)),
            store_failing_since=int(store["since"]) if store else None,
            store_reason=store.get("reason"),
            at=at,
        )

    def store_probe_due(self, lease: float) -> bool:
        """Whether this worker has to probe a failing store, within `lease` seconds."""
        return bool(self._scripts.run("probe_store", lease_ms=round(lease * 1000))["probe"])

    def store_probed(self, problem: str | None) -> None:
        """Write a probe's result; `problem` is None where it stored."""
        outcome = "stored" if problem is None else "failed"
        self._scripts.run("probe_store", outcome=outcome, reason=problem or "")

    def probe(self) -> Probe:
        """Let the next job probe now. The caller sends its message."""
        answer = self._scripts.run("probe")
        return Probe(open=answer["open"], probing=answer["probing"], free=answer["free"], granted=granted(answer))

    def spent_by_day(self, tenant: str, days: int) -> list[tuple[str, int]]:
        """Return a tenant's credits of the last days (UTC), today first; 40 at most."""
        with translated():
            seconds, _ = self._scripts.client.time()
            wanted = range(seconds // DAY, seconds // DAY - days, -1)
            with self._scripts.client.pipeline(transaction=False) as pipe:
                for day in wanted:
                    pipe.hget(self._scripts.key("spent", str(day)), f"tenant:{tenant}")
                spent = pipe.execute()
        names = (datetime.fromtimestamp(day * DAY, UTC).date().isoformat() for day in wanted)
        return [(name, int(number or 0)) for name, number in zip(names, spent, strict=True)]

    def credits(self) -> CreditsView:
        """Return what was spent today (UTC), and the caps."""
        with translated():
            seconds, _ = self._scripts.client.time()
            day = seconds // DAY
            with self._scripts.client.pipeline(transaction=False) as pipe:
                pipe.hgetall(self._scripts.key("spent", str(day)))
                pipe.hgetall(self._scripts.key("caps"))
                pipe.hget(self._scripts.key("limits"), "credits_per_day")
                spent, caps, per_day = pipe.execute()
        by_tenant = {name.removeprefix("tenant:"): int(value) for name, value in spent.items() if name != "all"}
        return CreditsView(
            day=datetime.fromtimestamp(day * DAY, UTC).date().isoformat(),
            spent=int(spent.get("all", 0)),
            per_day=int(per_day) if per_day else None,
            by_tenant=by_tenant,
            caps={tenant: int(cap) for tenant, cap in caps.items()},
        )
