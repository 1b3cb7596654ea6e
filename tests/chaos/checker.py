"""The checker: reads the evidence of a run and judges it. Offline, and without a line of the pipeline's code.

It puts four ledgers side by side: what the vendor charged, what lies in the object store, what the webhook receiver
was given, and what stands in Redis. The folder of evidence:

    accepted.jsonl    {job, image (SHA-256), webhook} of every job that was accepted
    acts.jsonl        what the nemesis did, and when         faults.jsonl     requests that a proxy's fault has hit
    moves.jsonl       when victims of a kill moved again     deliveries.jsonl what the receiver was given
    lines.jsonl       every line of every batch              pictures.json    vendor's id -> SHA-256 of its picture
    vendor.json       account -> the vendor's report of it   ledger.json      every key of ours in Redis
    store/            the object store
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from chaos.account_checks import ACCOUNTS
from chaos.batch_checks import BATCHES
from chaos.evidence import Evidence, Verdict
from chaos.kill_checks import KILLS

if TYPE_CHECKING:
    from pathlib import Path

ENDS = frozenset({"SUCCEEDED", "FAILED", "EXPIRED", "TIMED_OUT", "CANCELED"})
IN_SLOT = frozenset({"SUBMITTING", "RUNNING"})
STATES = ("QUEUED", "SUBMITTING", "RUNNING", "HELD", "STORING", *sorted(ENDS))
SLACK = 50
"""Milliseconds between two ways of writing down the same moment."""


def check(folder: Path, *, prefix: str = "chaos", secret: str = "") -> Verdict:
    """Judge a run."""
    evidence, verdict = Evidence(folder, prefix), Verdict()
    for judge in JUDGES:
        judge(evidence, verdict)
    if secret:
        _signatures(evidence, verdict, secret)
    return verdict


def _lost(evidence: Evidence, verdict: Verdict) -> None:
    """Every accepted job has succeeded, or is held for a person."""
    verdict.counts["jobs accepted"] = len(evidence.accepted)
    verdict.counts["of these by the gateway"] = sum(one.get("by") == "gateway" for one in evidence.accepted)
    for one in evidence.accepted:
        job = evidence.jobs.get(one["job"])
        if job is None:
            verdict.wrong["lost"].append(f"{one['job']} was accepted and is not in the ledger")
        elif job["state"] not in {"SUCCEEDED", "HELD"}:
            detail = f"{job['state']} {job.get('failure_code', '')} {job.get('failure_detail', '')}"
            verdict.wrong["lost"].append(f"{one['job']} ended as {detail.strip()}")
        elif job["state"] == "SUCCEEDED":
            verdict.lives.append((int(job["finished_at"]) - int(job["created_at"])) / 1000)
    for job_id in evidence.jobs.keys() - {one["job"] for one in evidence.accepted}:
        verdict.wrong["invented"].append(f"{job_id} is in the ledger and no caller learned that it was accepted")


def _paid(evidence: Evidence, verdict: Verdict) -> None:
    """The vendor has charged each picture once, whichever account paid, and ours that are held perhaps once."""
    job_of = {one["image"]: one["job"] for one in evidence.accepted}
    for image, charged in evidence.charges.items():
        if sum(len(ids) for ids in charged.values()) > 1:
            verdict.wrong["paid twice"].append(f"{job_of.get(image)}: charged {charged}")
        if image not in job_of:
            verdict.wrong["invented"].append(f"the vendor was sent {image}, which no job asked for")
    verdict.counts["charges"] = sum(report["accepted"] for report in evidence.vendor.values())


def _held(evidence: Evidence, verdict: Verdict) -> None:
    """A job is held only where something fell between sending and the reply."""
    held = [job for job, fields in evidence.jobs.items() if fields["state"] == "HELD"]
    excused = Counter(job for job in held if _excuse(evidence, job))
    verdict.counts["HELD"] = len(held)
    ever = {job for job in evidence.jobs if any(event["name"] == "held" for event in evidence.log(job))}
    verdict.counts["held for a while, then found"] = len(ever - set(held))
    verdict.counts["HELD, charged by the vendor"] = sum(_charged(evidence, job) for job in held)
    verdict.counts["kills with a submission in flight"] = _kills_in_flight(evidence)
    hits = [fault for fault in evidence.lines("faults") if "/run/" in str(fault["request"])]
    verdict.counts["submissions that a fault of the link has hit"] = len(hits)
    for job in set(held) - excused.keys():
        verdict.wrong["held without need"].append(f"{job}: {evidence.jobs[job].get('failure_detail')}")


def _charged(evidence: Evidence, job: str) -> bool:
    image = next((one["image"] for one in evidence.accepted if one["job"] == job), "")
    return image in evidence.charges


def _attempts(evidence: Evidence, job: str) -> list[tuple[int, int]]:
    """(begun, settled) of each paid call, by our log; settled is far in the future where it never was."""
    found, begun = [], None
    for event in evidence.log(job):
        if event["name"] == "attempt":
            begun = event["at"]
        elif begun is not None and event["name"] in {"submitted", "held", "not submitted", "failed"}:
            found.append((begun, event["at"]))
            begun = None
    return [*found, (begun, 1 << 60)] if begun is not None else found


def _excuse(evidence: Evidence, job: str) -> bool:
    """Whether a kill, a stop or a lost reply lies between an attempt of a held job and its being held."""
    begun, settled = _attempts(evidence, job)[-1]
    struck = any([job, "submit"] in act.get("in_hand", []) for act in evidence.acts if _within(act, begun, settled))
    lost = any(fault["link"] == "vendor" for fault in evidence.lines("faults") if _within(fault, begun, settled))
    return struck or lost


def _within(fact: dict[str, Any], begun: int, settled: int) -> bool:
    """Whether something happened between two timestamps of our log; time that was stepped back swaps the two."""
    at: int = fact["ledger_at"]
    return min(begun, settled) - SLACK <= at <= max(begun, settled) + SLACK


def _kills_in_flight(evidence: Evidence) -> int:
    """Kills of workers that struck between an attempt and its settling, counted by job."""
    struck = 0
    for act in evidence.acts:
        for job, step in act.get("in_hand", []) if "kill" in act else []:
            windows = _attempts(evidence, job)
            struck += step == "submit" and any(_within(act, *window) for window in windows)
    return struck


def _pictures(evidence: Evidence, verdict: Verdict) -> None:
    """What is stored is, byte for byte, what the vendor sent for this very photograph."""
    sent = evidence.whole("pictures")
    charged = {image: [one for ids in of.values() for one in ids] for image, of in evidence.charges.items()}
    stored = {path.parent.name: path for path in (evidence.folder / "store").glob("results/**/*.png")}
    verdict.counts["pictures stored"] = len(stored)
    for one in evidence.accepted:
        succeeded = evidence.jobs.get(one["job"], {}).get("state") == "SUCCEEDED"
        path = stored.pop(one["job"], None)
        if not succeeded:
            if path is not None:
                verdict.wrong["picture orphaned"].append(f"{path.name} of {one['job']}, which has not succeeded")
            continue
        ours = hashlib.sha256(path.read_bytes()).hexdigest() if path else "nothing"
        if ours not in {sent.get(job) for job in charged.get(one["image"], [])}:
            verdict.wrong["picture wrong"].append(f"{one['job']}: {ours} is stored, the vendor sent another")
    for job, path in stored.items():
        verdict.wrong["picture orphaned"].append(f"{path} of {job}, which no job asked for")


def _webhooks(evidence: Evidence, verdict: Verdict) -> None:
    """Every job that wanted it told its end, once or several times under the same id."""
    delivered: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for delivery in evidence.lines("deliveries"):
        event = json.loads(delivery["body"])
        delivered[event["data"]["job_id"], event["type"]][delivery["headers"]["webhook-id"]] += 1
    for one in evidence.accepted:
        state = evidence.jobs.get(one["job"], {}).get("state", "").lower()
        if one["webhook"] and not delivered[one["job"], f"swap.{state}"]:
            verdict.wrong["webhook lost"].append(f"{one['job']} is {state} and its receiver was not told")
    for (job, event), ids in delivered.items():
        if len(ids) > 1:
            verdict.wrong["webhook id changed"].append(f"{event} of {job} came as {sorted(ids)}")
    verdict.counts["webhooks delivered"] = sum(len(ids) for ids in delivered.values())
    verdict.counts["webhooks repeated (same id)"] = sum(ids.total() - len(ids) for ids in delivered.values())


def _signatures(evidence: Evidence, verdict: Verdict, secret: str) -> None:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    for delivery in evidence.lines("deliveries"):
        headers = delivery["headers"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{delivery['body']}".encode()
        good = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if good not in headers["webhook-signature"].split():
            verdict.wrong["webhook badly signed"].append(headers["webhook-id"])


def _redis(evidence: Evidence, verdict: Verdict) -> None:
    """The indexes say what the jobs say."""
    jobs, ledger, wrong = evidence.jobs, evidence.ledger, verdict.wrong["redis"]
    waiting = {job for job, fields in jobs.items() if not _at_rest(fields)}
    due = set(ledger.get("due", {}))
    wrong += [f"{job} is {jobs[job]['state']} and has no entry in due" for job in waiting - due]
    wrong += [f"{job} has an entry in due and needs none" for job in due - waiting]
    holding = {job for job, fields in jobs.items() if fields["state"] in IN_SLOT or _held_slot(fields)}
    slots = {job for key, held in ledger.items() if key.partition(":")[0] == "slots" for job in held}
    wrong += [f"{job} is {jobs[job]['state']} and has no slot" for job in holding - slots]
    wrong += [f"{job} has a slot that leaked" for job in slots - holding]
    for state in STATES:
        index, recount = set(ledger.get(f"state:{state}", {})), {job for job in jobs if jobs[job]["state"] == state}
        wrong += [f"{job} stands in the index of {state} wrongly, or is missing there" for job in index ^ recount]
    lines = {job for key, line in ledger.items() if key.startswith("line:") and key.count(":") > 1 for job in line}
    wrong += [f"{job} waits in line and is {jobs[job]['state']}" for job in lines if jobs[job]["state"] != "QUEUED"]
    shrunk = [move["job"] for move in evidence.lines("moves") if move["what"] == "its version has shrunk"]
    wrong += [f"the turn of {job} has shrunk" for job in shrunk]


def _at_rest(fields: dict[str, str]) -> bool:
    return fields["state"] in ENDS and fields.get("notification") != "PENDING"


def _held_slot(fields: dict[str, str]) -> bool:
    return fields["state"] == "HELD" and fields.get("slot") == "1"


def _counters(evidence: Evidence, verdict: Verdict) -> None:
    """The counters of the whole system say what a recount says."""
    jobs = evidence.jobs.values()
    names = Counter(event["name"] for job in evidence.jobs for event in evidence.log(job))
    recount = {
        "accepted": len(evidence.jobs),
        "finished.SUCCEEDED": sum(fields["state"] == "SUCCEEDED" for fields in jobs),
        "credits": sum(int(fields.get("credits", 0)) for fields in jobs),
        "attempts": names["attempt"],
        "submitted": names["submitted"],
        "held": names["held"],
    }
    have = evidence.ledger.get("count", {})
    verdict.counts["rescues"] = int(have.get("rescues", 0))
    for name, number in recount.items():
        if int(have.get(name, 0)) != number:
            verdict.wrong["redis"].append(f"the counter {name} says {have.get(name, 0)}, a recount says {number}")
    _meter(evidence, verdict)


def _meter(evidence: Evidence, verdict: Verdict) -> None:
    """What the metrics are made of agrees with the jobs, and with what the vendor saw."""
    jobs = evidence.jobs.values()
    count, meter = (
        Counter({k: int(v) for k, v in evidence.ledger.get(name, {}).items()}) for name in ("count", "meter")
    )
    unsettled = sum(fields.get("attempt_open") == "1" for fields in jobs)
    late = meter["call:resolved"] - count["resolved"]
    settled = sum(meter[f"call:{how}"] for how in ("uncharged", "refused", "unknown")) + count["submitted"] - late
    recount = {
        "queued": (
            sum(meter[f"waiting:{priority}"] for priority in ("high", "normal", "low")),
            sum(fields["state"] == "QUEUED" for fields in jobs),
        ),
        "webhooks pending": (
            meter["webhooks_pending"],
            sum(fields.get("notification") == "PENDING" for fields in jobs),
        ),
        "paid calls": (count["attempts"], settled + unsettled),
    }
    for name, (have, must) in recount.items():
        if have != must:
            verdict.wrong["redis"].append(f"the meter says {have} {name}, a recount says {must}")
    if meter["polls_begun"] < (seen := sum(report["polls"] for report in evidence.vendor.values())):
        verdict.wrong["redis"].append(f"the meter says {meter['polls_begun']} polls, the vendor saw {seen}")


JUDGES = (_lost, _paid, _held, _pictures, _webhooks, _redis, _counters, *KILLS, *BATCHES, *ACCOUNTS)
