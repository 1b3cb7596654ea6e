"""What goes wrong, and when: drawn from a seed beforehand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from chaos.proxy import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBMISSION, POLL, HOOK = b"/run/face_swap", b"/status/", b"POST /hook"


class Deed(StrEnum):
    """What the nemesis does."""

    KILL = "kill a worker"
    KILL_ALL = "kill all workers"
    KILL_REDIS = "kill redis"
    KILL_GATEWAY = "kill the gateway"
    KILL_BATCH = "kill a batch producer"
    STOP = "stop a worker and continue it"
    FAULT = "break a link"
    STEP = "step a wall clock"
    FAIL_ACCOUNT = "trouble an account"
    DRAIN = "drain an account"


class AccountFailure(StrEnum):
    """What may be the matter with an account."""

    REVOKED = "revoked"
    """Its key is refused, by submissions and polls; then it is back, or there is another key."""
    NO_CREDITS = "out of credits"
    SLOW = "slow"


@dataclass(frozen=True)
class Act:
    """One deed at a time, in seconds from the beginning."""

    at: float
    deed: Deed
    how: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Temper:
    """How bad it gets. Seconds."""

    seconds: float = 35
    kills: int = 10
    gateway_kills: int = 0
    batches: int = 0
    """Batch producers, each killed once or twice."""
    stops: int = 2
    longest_stop: float = 6
    faults: int = 6
    steps: int = 0
    longest_step: float = 20
    """Steps of time, forward: shorter than a job may run, or it rightly times out."""
    account_failures: int = 0
    """Accounts that fail, one kind after the other."""
    longest_failure: float = 12
    """Shorter than a job may run, the breaker's pauses included: polls wait as well while a key is refused."""
    drains: int = 0


ONE_CALL = (Fault.CUT_AFTER, Fault.CUT_BEFORE, Fault.CUT_REPLY, Fault.HALF_CLOSE, Fault.DRIP, Fault.LATENCY)
"""What happens to one request."""
WHOLE_LINK = (Fault.LATENCY, Fault.REFUSE, Fault.SILENCE)
"""What happens to a link for a while."""
FAILURES_AT_ONCE = 1.9
"""Shares of the time in which an account fails at most: of three kinds in turn, two refuse at once at most."""


def plan(seed: int, temper: Temper, workers: int, accounts: Sequence[str] = ()) -> list[Act]:
    """All acts, in their order; the same for the same arguments."""
    rng = random.Random(f"{seed}/nemesis")  # noqa: S311 -- it must be reproducible, not secret
    acts = [_kill(rng, at, workers) for at in _spread(rng, temper, temper.kills)]
    for _ in range(temper.stops):
        seconds = rng.uniform(temper.longest_stop / 6, temper.longest_stop)
        how = {"worker": rng.randrange(workers), "seconds": seconds}
        acts.append(Act(rng.uniform(0, temper.seconds), Deed.STOP, how))
    acts += [_fault(rng, rng.uniform(0, temper.seconds)) for _ in range(temper.faults)]
    for _ in range(temper.steps):
        seconds = rng.choice([rng.uniform(1, temper.longest_step), -rng.uniform(0.5, 5)])
        acts.append(Act(rng.uniform(0, temper.seconds), Deed.STEP, {"seconds": seconds}))
    acts += [Act(at, Deed.KILL_GATEWAY) for at in _spread(rng, temper, temper.gateway_kills)]
    acts += [_batch(rng, at) for at in _spread(rng, temper, temper.batches)]
    if accounts:
        acts += _account_failures(rng, temper, accounts)
        acts += [_drain(rng, at, accounts) for at in _spread(rng, temper, temper.drains)]
    return sorted(acts, key=lambda act: act.at)


def _spread(rng: random.Random, temper: Temper, number: int) -> list[float]:
    """A number of moments, each at random in its share of the time."""
    return [(share + rng.random()) * temper.seconds / number for share in range(number)]


def _kill(rng: random.Random, at: float, workers: int) -> Act:
    deed = rng.choices([Deed.KILL, Deed.KILL_ALL, Deed.KILL_REDIS], [7, 2, 1])[0]
    if deed is Deed.KILL_REDIS:
        return Act(at, deed, {"seconds": rng.uniform(0.1, 3)})
    return Act(at, deed, {"worker": rng.randrange(workers)} if deed is Deed.KILL else {})


def _fault(rng: random.Random, at: float) -> Act:
    link = rng.choice(["vendor", "vendor", "redis", "redis", "receiver"])
    if rng.random() < 0.5:  # as often one call as a while
        match = {"vendor": rng.choice([SUBMISSION, POLL]), "redis": b"EVALSHA", "receiver": HOOK}[link]
        how = {"link": link, "fault": rng.choice(ONE_CALL), "match": match.decode(), "amount": 1.0}
        return Act(at, Deed.FAULT, how)
    seconds = rng.uniform(0.5, 3)
    how = {"link": link, "fault": rng.choice(WHOLE_LINK), "seconds": seconds, "amount": rng.uniform(0.05, 0.3)}
    return Act(at, Deed.FAULT, how)


def _batch(rng: random.Random, at: float) -> Act:
    """A producer of a batch, killed once or twice, each time when so much of it is accepted (0 to 1)."""
    return Act(at, Deed.KILL_BATCH, {"shares": sorted(rng.random() for _ in range(rng.choice([1, 1, 2])))})


def _account_failures(rng: random.Random, temper: Temper, accounts: Sequence[str]) -> list[Act]:
    """Each kind in turn, never twice in a row for one account."""
    acts: list[Act] = []
    last = ""
    for number in range(temper.account_failures):
        share = temper.seconds / temper.account_failures
        kind = list(AccountFailure)[number % len(AccountFailure)]
        last = rng.choice([name for name in accounts if name != last])
        begins = rng.uniform(0, 0.5)
        longest = min(temper.longest_failure, (FAILURES_AT_ONCE - begins) * share)
        how = {"account": last, "failure": kind, "seconds": rng.uniform(longest / 3, longest)}
        if kind is AccountFailure.REVOKED:
            how["new_key"] = rng.random() < 0.5  # a person writes another key, or the vendor takes the old one again
        acts.append(Act((number + begins) * share, Deed.FAIL_ACCOUNT, how))
    return acts


def _drain(rng: random.Random, at: float, accounts: Sequence[str]) -> Act:
    return Act(at, Deed.DRAIN, {"account": rng.choice(accounts), "seconds": rng.uniform(2, 10)})
