"""Judges what was spent, and on which account: the vendor's counts beside the ledger's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from simulation.accounts import CREDITS
from simulation.ambiguity import perhaps_charged
from swapline_producer.contract import State
from swapline_producer.ledger.accounts.registry import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulation.world import World

Jobs = dict[str, dict[str, str]]


def check_money(world: World, jobs: Jobs, logs: dict[str, list[str]]) -> None:
    """Credits count as spent where they were charged, or where that is unknown: in all, and by account."""
    spent = _spent(world)
    uncounted = {one for one, _ in world.restarts.paid_again} | world.restarts.gone | world.restarts.ended(jobs)
    perhaps = [name for job_id, log in logs.items() for name in perhaps_charged(world, job_id, log)]
    charged = [name for names in world.vendor.charged_on.values() for name in names]
    free = [name for job_id in uncounted for name in world.vendor.charged_on[job_id]]
    _compare(world, "in all", spent["all"], charged, free, len(perhaps))
    if len(world.accounts) > 1:
        for name in world.accounts:
            mine = ([name] * charged.count(name), [name] * free.count(name))
            _compare(world, f"on the account {name}", spent[f"account:{name}"], *mine, perhaps.count(name))
        _check_sums(world, spent)
    counted: Any = world.server.hget(f"{world.prefix}:count", "credits") or 0
    recorded = sum(int(job.get("credits", 0)) for job in jobs.values())
    if int(counted) != recorded:
        world.wrong.append(f"the counter of credits says {counted}, the jobs {recorded}")


def _spent(world: World) -> Counter[str]:
    spent = Counter[str]()
    for name in world.server.scan_iter(match=f"{world.prefix}:spent:*"):
        day: Any = world.server.hgetall(name)
        spent.update({who: int(number) for who, number in day.items()})
    return spent


def _compare(world: World, where: str, spent: int, charged: Iterable[str], free: Iterable[str], unknown: int) -> None:
    jobs, least = len(list(charged)), len(list(charged)) - len(list(free))
    if not CREDITS * least <= spent <= CREDITS * (jobs + unknown):
        world.wrong.append(
            f"{spent} credits count as spent {where}; {jobs} jobs were charged, {unknown} more may have been"
        )


def _check_sums(world: World, spent: Counter[str]) -> None:
    of_accounts = sum(number for who, number in spent.items() if who.removeprefix("account:") in world.accounts)
    of_tenants = sum(number for who, number in spent.items() if who.startswith("tenant:"))
    of_both = sum(number for who, number in spent.items() if ":tenant:" in who)
    if not spent["all"] == of_accounts == of_tenants == of_both:
        world.wrong.append(
            f"{spent['all']} credits count, {of_accounts} by account, {of_tenants} by tenant, {of_both} by both"
        )


def check_accounts(world: World, jobs: Jobs) -> None:
    """A job is charged on the account that the ledger names, which alone could; none but HELD jobs stay with one."""
    for account in world.accounts.values():
        left: Any = world.server.zrange(f"{world.prefix}:{account.of_ledger('slots')}", 0, -1)
        if left:
            world.wrong.append(f"slots of the account {account.name} leaked: {left}")
        if len(world.accounts) == 1:
            return
        having: Any = world.server.zrange(f"{world.prefix}:jobs:{account.name}", 0, -1)
        mine = {
            job_id
            for job_id, job in jobs.items()
            if job.get("state") == State.HELD and job.get("account", DEFAULT) == account.name
        }
        if set(having) != mine:
            world.wrong.append(f"{account.name} has the jobs {sorted(having)}; {sorted(mine)} are HELD on it")
    for job_id, job in jobs.items():
        if "state" in job:
            _check_account_of(world, job_id, job)


def _check_account_of(world: World, job_id: str, job: dict[str, str]) -> None:
    charged = world.vendor.charged_on[job_id]
    again = any(one == job_id for one, _ in world.restarts.paid_again) or world.operator.sent_again[job_id]
    again = again or job_id in world.restarts.ended({job_id: job})
    if charged and not again and {job.get("account", DEFAULT)} != set(charged):
        world.wrong.append(f"{job_id} was charged on {charged}, and the ledger names {job.get('account', DEFAULT)}")
    pin, version = world.order_of[job_id].pin, world.order_of[job_id].version
    for name in charged:
        if not world.accounts[name].may_take(version, pin):
            world.wrong.append(f"{job_id} of version {version}, pinned to {pin}, was charged on {name}")
