"""The vendor's accounts as one pool, and which jobs may use which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

from swapline_producer.contract import Priority
from swapline_producer.contract.accounts import AccountView
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.errors import NotPossible
from swapline_producer.ledger.scripts import LedgerPart, listed, pools_of, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FEWEST_SLOTS = 3
"""The basic plan's slots: in force until a worker names a limit."""

CHUNK = 1_000
"""Waiting jobs moved to another subline at once: some milliseconds of the server's time."""


class AccountPool(LedgerPart):
    """The accounts that living workers may use. Never their keys."""

    def known(self) -> dict[str, tuple[str, ...]]:
        """Return each account's labels; only `default` where workers name no accounts."""
        with translated():
            found = cast("Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("known")))
        if not found:
            return {DEFAULT_ACCOUNT: ()}
        return {name: tuple(listed(orjson.loads(found[name])["labels"])) for name in sorted(found)}

    def several(self) -> bool:
        """Whether workers name accounts: each has limits of its own then."""
        with translated():
            return bool(self._scripts.client.exists(self._scripts.key("known")))

    def views(self) -> list[AccountView]:
        """Return how each account is used now."""
        answer = self._scripts.run("slots")
        return views_of(answer)

    def set_drained(self, name: str, *, drained: bool) -> None:
        """Give the account no new jobs, or jobs again; those that run go on. Raises NotPossible for an unknown one."""
        with translated():
            key = self.limits_key(name)
            if drained:
                self._scripts.client.hset(key, "drained", "1")
            else:
                self._scripts.client.hdel(key, "drained")

    def limits_key(self, name: str) -> str:
        """Return the name of the key of an account's limits. Raises NotPossible for an unknown one."""
        known = self.known()
        if name not in known:
            raise NotPossible(f"There is no account {name!r}; there are {', '.join(known)}.")
        return self.limits_keys([name])[0]

    def limits_keys(self, names: Iterable[str]) -> list[str]:
        """Return the `limits_key` of each."""
        return [
            self._scripts.key("limits") if name == DEFAULT_ACCOUNT else self._scripts.key("limits", name)
            for name in names
        ]

    def pin(self, tenant: str, accounts: Iterable[str]) -> None:
        """Run a tenant's jobs on these accounts only, given as names and labels; without any, on all.

        Jobs that wait follow, a thousand in a move. Raises NotPossible where one is unknown.
        """
        wanted = sorted(set(accounts))
        known = self.known()
        tokens = {*known, *(label for labels in known.values() for label in labels)}
        for one in wanted:
            if one not in tokens:
                raise NotPossible(f"There is no account or label {one!r}; there are {', '.join(sorted(tokens))}.")
        with translated():
            if wanted:
                self._scripts.client.hset(self._scripts.key("pins"), tenant, ",".join(wanted))
            else:
                self._scripts.client.hdel(self._scripts.key("pins"), tenant)
        for priority in Priority:
            for pool in ("", *pools_of(self._scripts)):
                self._repool(tenant, priority, pool)

    def _repool(self, tenant: str, priority: Priority, pool: str) -> None:
        skip, read = 0, CHUNK
        while read:
            answer = self._scripts.run("repool", tenant=tenant, priority=priority, pool=pool, skip=skip, limit=CHUNK)
            read = answer["read"]
            skip += read - answer["moved"]

    def pins(self) -> dict[str, tuple[str, ...]]:
        """Return the accounts of each tenant that is pinned."""
        with translated():
            found = cast("Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("pins")))
        return {tenant: tuple(pool.split(",")) for tenant, pool in found.items()}


def views_of(answer: Mapping[str, Any]) -> list[AccountView]:
    """Convert the answer of lua/reads/slots.lua."""
    return [_view(one, answer["at"]) for one in answer["accounts"]]


def _view(one: Mapping[str, Any], at: int) -> AccountView:
    limits, breaker = one["limits"], one["breaker"]
    limit = int(limits.get("slots", limits.get("max_in_flight", FEWEST_SLOTS)))
    closed = int(breaker.get("closed_until", 0))
    per_day, rate = limits.get("credits_per_day"), limits.get("submit_rate")
    return AccountView(
        name=one["name"],
        weight=one["weight"],
        labels=tuple(listed(one["labels"])),
        drained="drained" in limits,
        set_by=limits.get("slots_by") or None,
        limit=limit,
        cap=min(limit, int(limits.get("cap", limit))),
        in_flight=tuple(listed(one["in_flight"])),
        jobs=one["jobs"],
        credits_today=one["spent"],
        credits_per_day=int(per_day) if per_day else None,
        submit_rate=float(rate) if rate else None,
        closed_until=closed if closed > at else None,
        reason=breaker.get("reason"),
        trips=int(breaker.get("trips", 0)),
    )
