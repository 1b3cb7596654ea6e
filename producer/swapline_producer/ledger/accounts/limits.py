"""Limits of the account, and how much of them is used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from swapline_producer.contract import Priority
from swapline_producer.contract.accounts import CreditsView, Limits, SlotsView
from swapline_producer.contract.answers import Probe
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.ledger.accounts.pool import AccountPool, views_of
from swapline_producer.ledger.scripts import LedgerPart, granted, pools_of, sublines_of, translated

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400
"""Seconds."""

PROGRAM = "a program"
"""Who has set the slots, if unnamed."""


class InstallationLimits(LedgerPart):
    """Limits of the waiting line."""

    def current(self, account: str | None = None) -> Limits:
        """Return the limits in force: of the installation, whose single account is included, or of an account."""
        key = self._key(account)
        with translated():
            return Limits.from_ledger(cast("dict[str, str]", self._scripts.client.hgetall(key)))

    def configure(self, limits: Limits, account: str | None = None) -> None:
        """Set the named limits; living workers' come back (see `join`). Raises NotPossible for an unknown account."""
        key = self._key(account)
        with translated():
            for name, value in limits.named().items():
                self._scripts.client.hset(key, name, value)

    def forget(self, limits: Iterable[str], account: str | None = None) -> None:
        """Lift limits, given as fields of `Limits`. Raises NotPossible for an unknown account."""
        key = self._key(account)
        with translated():
            for name in limits:
                self._scripts.client.hdel(key, "rescue_ms" if name == "rescue_after" else name)

    def _key(self, account: str | None) -> str:
        return self._scripts.key("limits") if account is None else AccountPool(self._scripts).limits_key(account)

    def set_slots(self, number: int | None, *, by: str = "", account: str = DEFAULT_ACCOUNT) -> None:
        """Use `number` slots, whatever the workers' setting; None restores the setting. `by`: who wants it.

        Raises NotPossible for an unknown account.
        """
        self._set_slots(AccountPool(self._scripts).limits_key(account), number, by)

    def _set_slots(self, key: str, number: int | None, by: str) -> None:
        with translated():
            if number is None:
                self._scripts.client.hdel(key, "slots", "slots_before", "slots_by")
            else:
                self._scripts.client.hset(key, mapping={"slots": number, "slots_by": by or PROGRAM})
                self._scripts.client.hdel(key, "slots_before")

    def suspend_slots(self) -> None:
        """Grant no slot until `resume_slots`."""
        for key in self._keys_of_accounts():
            with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
                pipe.hsetnx(key, "slots_before", cast("str | None", self._scripts.client.hget(key, "slots")) or "")
                pipe.hset(key, "slots", 0)
                pipe.execute()

    def resume_slots(self) -> None:
        """Restore what was set before the first suspension."""
        for key in self._keys_of_accounts():
            with translated():
                before, by = self._scripts.client.hmget(key, ["slots_before", "slots_by"])
            self._set_slots(key, int(before) if before else None, str(by or ""))

    def _keys_of_accounts(self) -> list[str]:
        pool = AccountPool(self._scripts)
        return pool.limits_keys(pool.known())

    def set_credits(self, tenant: str, per_day: int | None) -> None:
        """Let a tenant spend `per_day` credits a day (UTC); None lifts the cap."""
        pools = pools_of(self._scripts)
        sublines = [subline for priority in Priority for subline in sublines_of(priority, pools)]
        with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
            if per_day is None:
                pipe.hdel(self._scripts.key("caps"), tenant)
            else:
                pipe.hset(self._scripts.key("caps"), tenant, per_day)
            for subline in sublines:  # capped tenants return now, and are capped again where they must be
                pipe.zadd(self._scripts.key("capped", subline), {tenant: 0}, xx=True)
            pipe.execute()

    def slots(self) -> SlotsView:
        """Return how the accounts are used now."""
        answer = self._scripts.run("slots")
        store, views = answer["store"], views_of(answer)
        counted = [one for one in views if not one.drained] or views
        paused = min(counted, key=lambda one: one.trips)
        several = bool(answer["several"])
        return SlotsView(
            limit=sum(one.limit for one in counted),
            cap=sum(one.usable for one in counted),
            in_flight=tuple(job_id for one in views for job_id in one.in_flight),
            waiting=answer["waiting"],
            set_by=views[0].set_by,
            closed_until=paused.closed_until,
            reason=f"{paused.name}: {paused.reason}" if several and paused.reason else paused.reason,
            trips=paused.trips,
            store_failing_since=int(store["since"]) if store else None,
            store_reason=store.get("reason"),
            at=answer["at"],
            accounts=tuple(views) if several else (),
        )

    def store_probe_due(self, lease: float) -> bool:
        """Whether this worker has to probe a failing store within `lease` seconds."""
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
        """Return a tenant's credits of the last `days` (UTC), today first, 40 at most."""
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
                pipe.hmget(self._scripts.key("limits"), "credits_per_day", "accounts")
                spent, caps, (per_day, several) = pipe.execute()
        by_account: dict[str, dict[str, int]] = {}
        for name, value in spent.items():
            of, _, tenant = name.removeprefix("account:").partition(":tenant:")
            if tenant:
                by_account.setdefault(of, {})[tenant] = int(value)
        return CreditsView(
            day=datetime.fromtimestamp(day * DAY, UTC).date().isoformat(),
            spent=int(spent.get("all", 0)),
            per_day=int(per_day) if per_day and not several else None,
            by_tenant={
                name.removeprefix("tenant:"): int(value) for name, value in spent.items() if name.startswith("tenant:")
            },
            caps={tenant: int(cap) for tenant, cap in caps.items()},
            by_account=by_account,
        )
