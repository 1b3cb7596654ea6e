"""What the ledger knows of the installation."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from swapline_producer.contract import CREDITS_PER_JOB, State
from swapline_producer.operations.doctor.findings import Finding, fail, ok, warn
from swapline_producer.operations.limits import limits_in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swapline_producer.contract.accounts import SlotsView
    from swapline_producer.ledger import Ledger

OFF, FAR_OFF = 1.0, 60.0
"""Seconds: receivers refuse webhooks five minutes off, object stores signatures fifteen."""

SILENT = 20.0
"""Seconds: a due dispatcher claims every five."""

LATE = 60.0
"""Seconds overdue: a rescue comes after fifteen."""


def clock(ledger: Ledger, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Compare this machine's clock (seconds since the epoch) with the server's."""
    before = now()
    theirs = ledger.now() / 1000
    ahead = (before + now()) / 2 - theirs
    found = f"this machine is {abs(ahead):.2f} s {'ahead of' if ahead > 0 else 'behind'} Redis"
    advice = "run NTP on both; receivers refuse webhooks that were signed by a wall clock that is off"
    if abs(ahead) > FAR_OFF:
        yield fail("clock", found, advice)
    elif abs(ahead) > OFF:
        yield warn("clock", found, advice)
    else:
        yield ok("clock", found)


def workers(ledger: Ledger) -> Iterator[Finding]:
    """Check that due dispatchers have claimed lately."""
    silent_for = ledger.stats.dispatchers()
    alive = [seconds for seconds in silent_for if seconds < SILENT]
    start = "start one: `swapline worker`; jobs wait in the ledger meanwhile, and none is lost"
    if alive:
        several = "process has" if len(alive) == 1 else "processes have"
        yield ok("workers", f"{len(alive)} worker {several} looked for work, the last one {min(alive):.1f} s ago")
        yield from _outdated(ledger)
    elif silent_for:
        yield fail("workers", f"the last worker was heard of {min(silent_for):.0f} s ago", start)
    else:
        yield fail("workers", "no worker was heard of in the last minute", start)


def _outdated(ledger: Ledger) -> Iterator[Finding]:
    account, living = ledger.accounts.get(), ledger.workers.alive()
    if account is None or account.vendor.simulated:
        return
    right = (account.vendor.address, account.vendor.short_key)
    old = [worker.name for worker in living if (worker.address, worker.key) != right]
    if old:
        found = f"{len(old)} of {len(living)} still have the address or the key from before `accounts adopt`: {old[0]}"
        yield warn("workers", found, "restart them with the new setting, before the vendor takes the old one no more")


def limits(ledger: Ledger) -> Iterator[Finding]:
    """Check that all workers name the limits in force."""
    counting = [one for one in limits_in_force(ledger) if one.value is not None]
    disputed = [one for one in counting if len(one.named) > 1]
    unnamed = [one for one in counting if ledger.workers.alive() and not one.named]
    for one in disputed:
        differing = " and ".join(sorted(one.named, key=float))
        found = f"workers name {differing} as {one.title}, and {one.value:g} counts"
        yield warn("limits", found, "give all workers the same: `swapline limits` shows which names what")
    if unnamed:
        found = ", ".join(f"{one.title} {one.value:g}" for one in unnamed)
        advice = "`swapline limits forget NAME` where it is not meant any more"
        yield warn("limits", f"{found}: it counts, and no worker's settings name it", advice)
    if not disputed and not unnamed:
        found = ", ".join(f"{one.title} {one.value:g}" for one in counting)
        yield ok("limits", found or "none is set: three slots, and no other limit")


def jobs(ledger: Ledger) -> Iterator[Finding]:
    """Find what stands still, and why."""
    view, census = ledger.limits.slots(), ledger.stats.census()
    waiting = f"{view.waiting:,} jobs wait, {len(view.in_flight)} of {view.cap} slots are in use"
    yield from _accounts(view)
    if view.paused:
        advice = "mend that; it goes on by itself, or at once by `swapline slots probe`"
        yield fail("line", f"submitting is paused: {view.reason}; {waiting}", advice)
    elif view.store_failing_since is not None:
        found = f"nothing new is submitted: results cannot be stored ({view.store_reason}); {waiting}"
        yield fail("line", found, "mend the store; it goes on by itself")
    elif not view.limit:
        yield warn("line", f"a person has set the slots to 0; {waiting}", "`swapline slots reset` when it may go on")
    elif view.cap < view.limit:
        yield warn("line", f"the vendor allows fewer than {view.limit}: {waiting}", "ask the vendor for the real cap")
    else:
        yield from _spent(ledger, waiting)
    overdue = ledger.stats.overdue()
    if overdue > LATE:
        yield fail("due", f"the job that is due longest is {overdue:.0f} s late", "start (more) workers; see `workers`")
    held = census[State.HELD]
    if held:
        yield warn(
            "held jobs", f"{held:,} wait for a person", "`swapline jobs list --state HELD`; docs/guides/held-jobs.md"
        )
    yield from _untold(ledger)


def _accounts(view: SlotsView) -> Iterator[Finding]:
    """Each of several accounts that takes no jobs, or fewer."""
    for one in view.accounts:
        if one.drained:
            found = f"{one.name} is drained; {one.jobs} jobs of it have not ended"
            yield warn("accounts", found, f"`swapline accounts resume {one.name}` when it may go on")
        elif one.trips and not view.paused:
            advice = "mend that; the other accounts go on, and this one by itself"
            yield warn("accounts", f"submitting to {one.name} is paused: {one.reason}", advice)
        elif one.credits_per_day is not None and one.credits_today + CREDITS_PER_JOB > one.credits_per_day:
            found = f"today's {one.credits_per_day:,} credits of {one.name} are spent"
            yield warn("accounts", found, "it goes on at midnight UTC; the other accounts go on")


def _untold(ledger: Ledger) -> Iterator[Finding]:
    dead, disabled = (
        ledger.webhooks.failing_counts()["dead"],
        [one for one in ledger.webhooks.endpoints() if one.disabled_at is not None],
    )
    if disabled:
        found = f"{len(disabled):,} endpoints are disabled, and {dead:,} webhooks were given up"
        yield warn("webhooks", found, "`swapline webhooks endpoints`; `swapline webhooks enable` when they are well")
    elif dead:
        found = f"{dead:,} were given up"
        yield warn("webhooks", found, "`swapline jobs list --notification DEAD`; `swapline jobs replay --from notify`")


def _spent(ledger: Ledger, waiting: str) -> Iterator[Finding]:
    spent = ledger.limits.credits()
    if spent.per_day is not None and spent.spent >= spent.per_day:
        found = f"today's {spent.per_day:,} credits are spent; {waiting}"
        left = 24 - datetime.now(UTC).hour
        yield warn(
            "line",
            found,
            f"it goes on at midnight UTC (in {left} h at most), or with a higher SWAPLINE_CREDITS_PER_DAY",
        )
    else:
        yield ok("line", waiting)
