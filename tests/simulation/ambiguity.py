"""Paid calls whose outcome the pipeline cannot know: what a job's log says of them, and what may come of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode
from swapline_producer.ledger.accounts.registry import DEFAULT
from swapline_workers.settings import AmbiguousSubmit

if TYPE_CHECKING:
    from simulation.world import World

DECIDED = {
    AmbiguousSubmit.HOLD: '"name":"held"',
    AmbiguousSubmit.RETRY: '"name":"ambiguous"',
    AmbiguousSubmit.FAIL: FailureCode.SUBMIT_UNKNOWN,
}
"""The mark in a job's log of each policy."""
REQUEUED_WHILE_CANCELED = '"instead_of":"QUEUED"', '"attempt":'
"""Both in one line: `ambiguous`, written as the end of a job that was canceled. A refusal names no attempt."""


def unclear_calls(log: list[str]) -> list[str]:
    """Return the accounts of a job's calls that may have been charged, a line of its log each."""
    found, account = list[str](), DEFAULT
    for line in log:
        if '"name":"slot"' in line or '"again":true' in line:  # an attempt that was written again, its slot lost
            account = json.loads(line)["data"].get("account", DEFAULT)
        elif any(mark in line for mark in DECIDED.values()) or all(mark in line for mark in REQUEUED_WHILE_CANCELED):
            found.append(account)
    return found


def times_payable(world: World, job_id: str, log: list[str]) -> int:
    """Return how often a job may have been paid: once, and again where a restart, the policy or a person has it so."""
    again = sum(DECIDED[AmbiguousSubmit.RETRY] in line for line in log)
    forgotten = set(world.restarts.paid_again)
    if world.on_ambiguous_submit is AmbiguousSubmit.RETRY:  # an attempt that was lost needs no requeueing
        forgotten |= world.restarts.in_hand
    lost = sum(one == job_id for one, _ in forgotten)
    return 1 + lost + again + world.operator.sent_again[job_id]


def perhaps_charged(world: World, job_id: str, log: list[str]) -> list[str]:
    """Return the accounts of calls that may count as spent beside those that were charged."""
    found = unclear_calls(log)
    if times_payable(world, job_id, log) > 1:
        return found
    return [] if world.vendor.charged[job_id] else found[-1:]


def check_policy(world: World, job_id: str, log: list[str]) -> None:
    """A call is unknown only where its worker died, or was out of the ledger's sight; then the policy decides."""
    if unclear_calls(log) and job_id not in world.excused | world.passing:
        world.wrong.append(f"{job_id}'s paid call was unknown, and no fault fell on it or its worker")
    for policy in (AmbiguousSubmit.HOLD, AmbiguousSubmit.RETRY):
        if policy is not world.on_ambiguous_submit and any(DECIDED[policy] in line for line in log):
            world.wrong.append(f"{job_id} was treated by the policy {policy}, and it is {world.on_ambiguous_submit}")
