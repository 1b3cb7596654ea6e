"""What the observer reads of Redis at one moment, and which of the waiting jobs an account could take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulation.accounts import CREDITS
from swapline_producer.contract import State

if TYPE_CHECKING:
    from simulation.accounts import Account
    from simulation.world import World

DAY_MS = 86_400_000
UNLUCKY = 2
"""Lost messages in a row."""
LATEST_DUE_S = 70.0
"""Seconds within which a step is due again where the vendor has the job: a store that is away is tried each minute."""


@dataclass
class Use:
    """How an account is used."""

    account: Account
    slots: dict[str, float]
    """Jobs, and since when by Redis's clock."""
    refused: set[str]
    drained: bool
    left_out: bool
    well: bool
    """Whether it takes the jobs for which it has slots, as far as is known."""
    free: int
    """Slots that may be given out now: none while something stops the account."""


class Sample:
    """Redis at one moment, in one round trip."""

    def __init__(self, world: World) -> None:
        prefix, now = world.prefix, world.server_now()
        with world.server.pipeline(transaction=False) as pipe:
            for state in (State.SUBMITTING, State.RUNNING, State.HELD, State.STORING, State.QUEUED):
                pipe.zrange(f"{prefix}:state:{state}", 0, -1)
            pipe.zrange(f"{prefix}:due", str(now + LATEST_DUE_S * 1000), "+inf", byscore=True)
            pipe.exists(f"{prefix}:store")
            pipe.hgetall(f"{prefix}:spent:{now // DAY_MS}")
            pipe.hgetall(f"{prefix}:pins")
            pipe.hget(f"{prefix}:limits", "accounts")
            for account in world.accounts.values():
                pipe.zrange(f"{prefix}:{account.of_ledger('slots')}", 0, -1, withscores=True)
                pipe.hgetall(f"{prefix}:{account.of_ledger('limits')}")
                pipe.hgetall(f"{prefix}:{account.of_ledger('breaker')}")
                pipe.zrange(f"{prefix}:{account.of_ledger('refused')}", 0, -1)
            answers: list[Any] = pipe.execute()
        self.submitting, self.running, self.held, self.storing, self.queued, self.late = answers[:6]
        self.pins: dict[str, str] = answers[8]
        self.accounts: dict[str, Use] = {}
        stopped, spent, rest = bool(answers[6]), answers[7], iter(answers[10:])
        in_force = (answers[9] or ",".join(world.accounts)).split(",")
        for name, account in world.accounts.items():
            slots, limits, breaker, refused = (next(rest) for _ in range(4))
            drained, ill, left_out = "drained" in limits, "trips" in breaker, name not in in_force
            free = 0 if stopped or ill or left_out else _free(account, slots, limits, spent, now)
            well = not (drained or ill or left_out)
            self.accounts[name] = Use(account, dict(slots), set(refused), drained, left_out, well, free)


def _free(account: Account, slots: list[Any], limits: dict[str, str], spent: dict[str, str], now: int) -> int:
    per_day = account.settings.credits_per_day
    broke = per_day is not None and int(spent.get(f"account:{account.name}", 0)) + CREDITS > per_day
    if "drained" in limits or broke or float(limits.get("next_submit_at", 0)) > now:
        return 0
    return max(0, min(account.slots, int(limits.get("cap", account.slots))) - len(slots))


class Waiting:
    """The jobs that wait, and where they may go."""

    def __init__(self, world: World, found: Sample, *, in_line: bool = False) -> None:
        """`in_line`: only those that stand in the waiting line, which any move may give a slot."""
        self._world = world
        self._pins = found.pins
        with world.server.pipeline(transaction=False) as pipe:
            for job_id in found.queued:
                pipe.hmget(
                    f"{world.prefix}:job:{job_id}", "own_refusals", "bound", "priority", "pool", "tenant", "version"
                )
            fields: list[Any] = pipe.execute()
        each = zip(found.queued, fields, strict=True)
        self._jobs = {job_id: facts for job_id, facts in each if not int(facts[0] or 0)}  # others wait alone
        if in_line and self._jobs:
            self._leave_those_in_line()
        elif not in_line:
            self._leave_out_unlucky_ones()

    def _leave_out_unlucky_ones(self) -> None:
        """Leave out jobs whose message and that of their rescue were both lost: they wait for a second rescue."""
        lost = self._world.lost_messages
        self._jobs = {name: facts for name, facts in self._jobs.items() if lost[name, int(facts[-1] or 0)] < UNLUCKY}

    def _leave_those_in_line(self) -> None:
        prefix = self._world.prefix
        with self._world.server.pipeline(transaction=False) as pipe:
            for job_id, (_, _, priority, pool, tenant, _) in self._jobs.items():
                pipe.zscore(f"{prefix}:line:{priority}{'/' + pool if pool else ''}:{tenant}", job_id)
            scores: list[Any] = pipe.execute()
        each = zip(self._jobs.items(), scores, strict=True)
        self._jobs = {job_id: facts for (job_id, facts), score in each if score is not None}

    def idle(self, use: Use) -> int:
        """The free slots of an account that a waiting job could have."""
        return min(use.free, sum(self.could(use, job_id) for job_id in self._jobs))

    def could(self, use: Use, job_id: str) -> bool:
        """Whether the job is one of them, and the account may take it."""
        if job_id not in self._jobs:
            return False
        order = self._world.order_of[job_id]
        pin = self._jobs[job_id][1] or order.pin or self._pins.get(order.tenant)
        return job_id not in use.refused and use.account.may_take(order.version, pin)
