"""Draws docs/proof.md from the lines that runs have written."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulation.observer import IDLE_BOUND_S

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = re.compile(r"^\| \| \|\n(?:\|.*\n)+\n", re.MULTILINE)
EARLIER = """Worlds of an earlier revision, without batches, decisions about HELD jobs and policies other than `hold`:

"""
EARLIER_FAULTS = "\n¹ On worlds of an earlier revision; the others on those of the first table.\n"
PAGE = Path(__file__).parents[2] / "docs" / "proof.md"

HEAD = """# What simulation has shown

Written by `make simulate` (`tests/simulation/`). A world is a whole installation in one process and simulated time: a
backend with the library, the gateway's app with its routes, workers with the real steps, sessions, picture memories,
due dispatchers and sweeps, the real Lua scripts on a real Valkey, a vendor, a store and receivers. Every call of a port
is a crash point: the worker dies before or after it, its machine stands still for minutes, the request is never sent,
arrives late or after its caller gave up, the reply is lost or late, the call is made twice where its client may. Faults
fall three times as often on a paid call and the writes around it. Messages are lost, late and repeated; workers are cut
off from Redis, vendor, store or receivers, killed and stopped gracefully; the vendor answers paid calls late; Redis's
clock is set; Redis restarts and has lost up to two seconds of writes, most often with a paid call among them, whose
account may be drained meanwhile. Customers of the gateway send requests again under their keys; several send the same
photograph; some give batches with the library and seal them. A third of the worlds have the policy `retry` or `fail`
for paid calls whose outcome is unknown, and in half of the worlds a person decides about HELD jobs by the vendor's
records.

Half of the worlds have two to four accounts with keys, caps, weights, labels, rates, daily credits and API versions of
their own, at one address or two. Accounts are revoked and restored, out of credits, down, slow, drained and resumed,
left out and named again; keys are rotated; jobs and tenants are pinned to accounts or labels.

Then faults stop, all comes to rest, and a checker compares what the vendor charged, the store holds and receivers got
with what Redis says: in all, by account and by tenant. A job may be paid twice only where the policy, a person or lost
writes have it so. While a world runs it looks on as well: no account is over its cap, no drained one is given a job, a
slot that becomes free goes to the next job in line by the same move, and none is idle for longer than the bound while a
job waits that could have it; a job that one account refused stands in line for another one that is well; no job's
version goes back; a change that was written counts as written when it is sent again; a vendor's id is called lost only
where the ledger does not have it; no worker uses a key that it could know to be replaced; `batch.completed` comes when
all jobs of a batch have ended, and not before.

A seed replays its world: `make simulate SEED=n STORY=1`, on the revision that ran it. Worlds in which a promise was
broken are run again once the fault is mended; the others count as they were. Only calls made while faults rage count as
crash points.

"""

FOUND = """
## What it has found

- The id of a paid call whose job was gone (purged, or accepted in the writes that a restart lost) was not logged.
- Credits of a call whose slot a restart had lost did not count towards `CREDITS_PER_DAY`.
- A worker that held the reply of a paid call over an outage offered it a second apart, and could come after the claims
  that begin 1.5 s after Redis's return: where a restart had lost the attempt too, the job was paid twice.

Found while worlds with several accounts were written:

- A job that each account had refused waited for the account that refused it last, while another one, well again, was
  idle.
- Where a restart had lost a slot, and the job was given one of another account before the reply came, its credits
  counted for that other account.

Found when faults fell more often on paid calls, and restarts lost more of them:

- A worker that knew that a call's outcome was unknown dropped this where a restart had lost the attempt: the job was
  paid again, whatever the policy.
- Where a restart had lost an attempt, and another worker had made one of the same version on another account, the id
  that the first one brought was written to the second: the job was polled on the wrong account, where the id may be
  another job's.
- A worker that had been told of a slot, which a restart lost, and then of another account's slot at the same version,
  made the call on the first account.
- Where a restart had lost an attempt, another worker could make the call again: while it was still under way, or after
  its end and before its worker had written the result, if the end of another job gave the job a slot. Now paid calls
  wait for 1.5 s when another server answers, and attempts that were lost are written again.
- Jobs that stood in line when an account was named that lacks their version of the API were given to it; and the only
  account with a version could be left out while jobs of it waited.
- A worker whose reply had been written by an earlier try, and whose job had been polled since, logged at ERROR that the
  vendor's id came too late.
"""

NOT_COVERED = """
## What is not covered

- A call whose attempt a restart has lost, and whose worker died, stood still or could not reach Redis after its return:
  it may be paid again, as [failure modes](failure-modes.md) says. That its result is not written to the second attempt
  is shown by tests of their own: in worlds such pairs on two accounts are too rare.
- Replicas that are waited for; fail-overs to them, beyond the writes that are lost.
- Replays of jobs that have ended. The gateway's server, below its routes.
- Learned service times: polls follow the bounded schedule.
- Celery, HTTP and the store's client: the simulation begins at the ports. Expiry of keys runs in real time. Real
  processes, sockets and servers, 2,000 kills of them, producers of batches among them: [chaos](chaos-report.md).
"""


def write_page(files: Sequence[Path]) -> None:
    """Write the page from lines of worlds and of mutants."""
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    worlds = [line for line in lines if "points" in line]
    revisions = {world["revision"] for world in worlds}
    kept = [table for table in TABLE.findall(PAGE.read_text()) if not any(f"`{one}`" in table for one in revisions)]
    tables = EARLIER.join([*([_worlds(worlds)] if worlds else []), *kept])
    mutants = _mutants([line for line in lines if "mutant" in line])
    PAGE.write_text(HEAD + tables + mutants + FOUND + NOT_COVERED)


def _worlds(worlds: list[dict[str, Any]]) -> str:
    total = Counter[str]()
    ends = Counter[str]()
    for world in worlds:
        total.update({name: world[name] for name in ("jobs", "points", "faults", "charged", "webhooks", "cpu")})
        ends.update(world["ends"])
    wrong = [f"seed {world['seed']}: {world['wrong'][0]}" for world in worlds if world["wrong"]]
    seeds = sorted(world["seed"] for world in worlds)
    hours = sum(world["simulated"] for world in worlds) / 3600
    several = [world for world in worlds if world["accounts"] > 1]
    revisions = sorted({world["revision"] for world in worlds})
    rows = [
        ("revision", ", ".join(f"`{revision}`" for revision in revisions)),
        ("worlds", f"{len(worlds):,} (seeds {_ranges(seeds)})"),
        ("worlds with several accounts", f"{len(several):,}"),
        ("worlds in which a promise was broken", f"**{len(wrong)}**"),
        ("jobs", f"{total['jobs']:,}"),
        ("crash points", f"{total['points']:,}"),
        ("faults among them", f"{total['faults']:,}"),
        ("paid calls charged", f"{total['charged']:,}"),
        ("webhooks received", f"{total['webhooks']:,}"),
        ("simulated time", f"{hours:,.0f} h"),
        ("processor time, Valkey's included", f"{total['cpu']:,.0f} s"),
        ("crash points a second of it", f"{total['points'] / total['cpu']:,.0f}"),
        (
            "longest a slot was idle while a job waited",
            f"{max(w['longest_idle'] for w in worlds):.1f} s (bound: {IDLE_BOUND_S:.0f} s)",
        ),
        *((_rests(state), f"{number:,}") for state, number in sorted(ends.items())),
    ]
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"| | |\n|---|---|\n{table}" + "".join(f"\n- {line}" for line in wrong) + "\n"


def _ranges(seeds: list[int]) -> str:
    """Write sorted numbers as `1 to 9, 20 to 22`."""
    ends = [seed for seed in seeds if seed + 1 not in seeds]
    begins = [seed for seed in seeds if seed - 1 not in seeds]
    return ", ".join(f"{first} to {last}" for first, last in zip(begins, ends, strict=True))


def _rests(state: str) -> str:
    return (
        "requests that were not accepted, most of them sent again"
        if state == "not accepted"
        else f"jobs that rest {state}"
    )


def _mutants(found: list[dict[str, Any]]) -> str:
    if not found:
        return ""
    caught = sum(line["seed"] is not None for line in found)
    rows = "".join(
        f"| {line['mutant']}{' ¹' if 'earlier' in line else ''} |"
        f" {'not found' if line['seed'] is None else line['seed']} |"
        f" {line['worlds']} | {line['seconds']} |\n"
        for line in found
    )
    return (
        f"\n## Deliberate faults\n\nOf {len(found)} deliberate faults that were tried {caught} were found: on worlds"
        " from seed 1 on and,\nwhere a fault needs several accounts, on those that have them.\n\n"
        f"| fault | seed | worlds | seconds |\n|---|---|---|---|\n{rows}"
        + (EARLIER_FAULTS if any("earlier" in line for line in found) else "")
    )
