"""Daily caps of credits that jobs wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract import CREDITS_PER_JOB
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import out

if TYPE_CHECKING:
    from swapline_producer.contract.accounts import SlotsView
    from swapline_producer.ledger import Ledger

DAY_MS = 86_400_000


def reached_caps(ledger: Ledger, view: SlotsView) -> list[dict[str, Any]]:
    """Return the caps that stop waiting jobs today (UTC)."""
    used = ledger.limits.credits()
    until = rfc3339((view.at // DAY_MS + 1) * DAY_MS)
    capped = sorted(name for name, cap in used.caps.items() if used.by_tenant.get(name, 0) + CREDITS_PER_JOB > cap)
    found: list[dict[str, Any]] = []
    if view.waiting and used.per_day is not None and used.spent + CREDITS_PER_JOB > used.per_day:
        found.append({"tenant": None, "jobs": view.waiting, "spent": used.spent, "per_day": used.per_day})
    for tenant, jobs in zip(capped, ledger.occupancy.waiting_of(capped), strict=True):
        if jobs:
            spent = used.by_tenant.get(tenant, 0)
            found.append({"tenant": tenant, "jobs": jobs, "spent": spent, "per_day": used.caps[tenant]})
    return [{**one, "until": until} for one in found]


def print_caps(caps: list[dict[str, Any]]) -> None:
    """Print a line for each cap, with what changes it."""
    for cap in caps:
        tenant = cap["tenant"]
        whose = "all tenants" if tenant is None else f"tenant {tenant}"
        lift = "swapline limits" if tenant is None else f"swapline credits set {tenant} N"
        out.print(
            f"{cap['jobs']} waiting for tomorrow ({cap['until']}), by the daily cap of {whose}:"
            f" {cap['spent']} of {cap['per_day']} credits are spent (`{lift}`)"
        )
