"""What the checker says of the vendor's accounts: caps, whose charge it is, credits of each day, drained accounts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from chaos.evidence import ONLY
from chaos.plan import Deed

if TYPE_CHECKING:
    from chaos.evidence import Evidence, Verdict

CREDITS_PER_JOB = 2
DAY_MS = 86_400_000
MIDNIGHT_MS = 120_000
"""Around midnight the ledger may count for the day in which the slot was given, the vendor for that of the charge."""
REFUSED = frozenset({"UNAUTHORIZED", "OUT_OF_CREDITS"})
"""Codes of jobs that failed because an account was refused, and others were not."""
STEPPED_MS = 30_000
"""Within this time of a step of the system's time, the ledger's times of a drain and of a slot cannot be compared."""


def caps(evidence: Evidence, verdict: Verdict) -> None:
    """No account is sent more than it has slots: the vendor would refuse it, or queue what is paid already."""
    for account, report in evidence.vendor.items():
        cap = report["config"]["cap"]
        if report["over_cap"]:
            verdict.wrong["cap passed"].append(f"{account}: {report['over_cap']} submissions above its cap of {cap}")
        if report["max_in_flight"] > cap:
            verdict.wrong["cap passed"].append(f"{account}: {report['max_in_flight']} jobs at once, its cap is {cap}")
        verdict.counts[f"most jobs at once at the account {account} (cap {cap})"] = report["max_in_flight"]
        verdict.counts[f"charges of the account {account}"] = report["accepted"]
    refused = Counter[str]()
    for report in evidence.vendor.values():
        refused.update(report["refused"])
    verdict.counts["submissions refused while an account was revoked or out of credits"] = sum(
        refused[code] for code in ("UNAUTHORIZED", "INSUFFICIENT_CREDITS")
    )


def owners(evidence: Evidence, verdict: Verdict) -> None:
    """What a job was charged, and where its picture is from, is the account that the ledger names."""
    for one in evidence.accepted:
        job = evidence.jobs.get(one["job"], {})
        named = job.get("account", ONLY)
        charged = evidence.charges.get(one["image"], {})
        for account, ids in charged.items():
            if account != named:
                verdict.wrong["wrong account"].append(f"{one['job']} is of {named}, charged by {account} as {ids}")
        vendor_id = job.get("vendor_job_id")
        if vendor_id and vendor_id not in charged.get(named, []):
            verdict.wrong["wrong account"].append(f"{one['job']} is {vendor_id} of {named}, which does not know it")
    for job_id, job in evidence.jobs.items():
        if job["state"] == "FAILED" and job.get("failure_code") in REFUSED:
            sentence = f"{job_id}: {job['failure_code']}, {job.get('failure_detail')}"
            verdict.wrong["failed by a refused account"].append(sentence)


def credit_counts(evidence: Evidence, verdict: Verdict) -> None:
    """The ledger has counted, by account and day, what the vendor charged, and what is unknown as if it were."""
    have, must = _counted(evidence), _charged(evidence)
    if _near_midnight(evidence):
        have, must = _of_all_days(have), _of_all_days(must)
    for account, day in sorted(have.keys() | must.keys()):
        if have[account, day] != must[account, day]:
            verdict.wrong["credits"].append(
                f"{account}, day {day}: the ledger says {have[account, day]}, the vendor {must[account, day]}"
            )
    verdict.counts["credits that the ledger has counted"] = sum(have.values())


def _counted(evidence: Evidence) -> Counter[tuple[str, int]]:
    """Credits by account and day, as the ledger says."""
    found: Counter[tuple[str, int]] = Counter()
    for key, spent in evidence.ledger.items():
        if not key.startswith("spent:"):
            continue
        day = int(key.removeprefix("spent:"))
        if list(evidence.vendor) == [ONLY]:
            found[ONLY, day] += int(spent["all"])
        for name, credits_ in spent.items():
            account = name.removeprefix("account:")
            if account != name and ":tenant:" not in account:
                found[account, day] += int(credits_)
    return +found


def _charged(evidence: Evidence) -> Counter[tuple[str, int]]:
    """The same, as the vendor says; a HELD job that it was never sent counts, for that cannot be known."""
    found: Counter[tuple[str, int]] = Counter()
    for account, report in evidence.vendor.items():
        for job in report["jobs"]:
            found[account, job["submitted_at"] // DAY_MS] += job["credits"]
    image_of = {one["job"]: one["image"] for one in evidence.accepted}
    for job_id, fields in evidence.jobs.items():
        if fields["state"] == "HELD" and image_of.get(job_id) not in evidence.charges:
            found[fields.get("account", ONLY), int(fields["spent_on"])] += CREDITS_PER_JOB
    return found


def _near_midnight(evidence: Evidence) -> bool:
    times = [job["submitted_at"] for report in evidence.vendor.values() for job in report["jobs"]]
    return any((at + MIDNIGHT_MS) % DAY_MS < 2 * MIDNIGHT_MS for at in times)


def _of_all_days(credits_: Counter[tuple[str, int]]) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for (account, _), number in credits_.items():
        found[account, 0] += number
    return found


def drained(evidence: Evidence, verdict: Verdict) -> None:
    """No job is given a slot of an account while that is drained.

    The time of a slot is when its move was sent: it was given later, and before the job reached the vendor.
    """
    came = {job["id"]: job["submitted_at"] for report in evidence.vendor.values() for job in report["jobs"]}
    grants = [
        (event["data"]["account"], event["at"], came.get(fields.get("vendor_job_id", "")), job)
        for job, fields in evidence.jobs.items()
        for event in evidence.log(job)
        if event["name"] == "slot" and "account" in event["data"]
    ]
    windows = 0
    for begun, ended in _drains(evidence):
        if _stepped(evidence, begun, ended):
            continue
        windows += 1
        for account, at, submitted_at, job in grants:
            given = account == begun["account"] and begun["ledger_at"] < at < ended["ledger_at"]
            if given and submitted_at is not None and submitted_at < ended["at"]:
                verdict.wrong["drained account"].append(f"{job} was given a slot of {account}, which was drained")
    verdict.counts["drains of an account that were judged"] = windows


def _drains(evidence: Evidence) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each drain with its end."""
    found, begun = [], dict[str, dict[str, Any]]()
    for act in evidence.acts:
        if act["deed"] == Deed.DRAIN:
            begun[act["account"]] = act
        elif act["deed"] == "the account is resumed" and act["account"] in begun:
            found.append((begun.pop(act["account"]), act))
    return found


def _stepped(evidence: Evidence, begun: dict[str, Any], ended: dict[str, Any]) -> bool:
    return any(
        act["deed"] == Deed.STEP and begun["at"] - STEPPED_MS <= act["at"] <= ended["at"] for act in evidence.acts
    )


def index(evidence: Evidence, verdict: Verdict) -> None:
    """Slots and unfinished jobs stand with the account that their jobs name."""
    for key, jobs in evidence.ledger.items():
        kind, _, account = key.partition(":")
        if account and kind in {"slots", "jobs"}:
            for job in jobs:
                if (named := evidence.jobs.get(job, {}).get("account", ONLY)) != account:
                    verdict.wrong["redis"].append(f"{job} is of {named} and stands in {key}")


ACCOUNTS = (caps, owners, credit_counts, drained, index)
