"""The report of a run, as a page that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.evidence import Verdict

HEAD = """# What chaos has shown

Written by the harness in `tests/chaos/`: real Valkey with an append-only file, real workers, a gateway through which
half of the single jobs come, producers of batches (`swapline batch run`), the simulated vendor with three accounts in a
process of its own, a webhook receiver, a fault proxy between any two of them, and a nemesis that kills, stops, breaks
and steps clocks by a seed. In turn one account is revoked (its key is refused), one is out of credits and one is slow,
and each comes back; accounts are drained and resumed meanwhile. A checker that shares no code with the pipeline then
puts what each account was charged, the object store, the receiver's record and Redis side by side.

Submissions that a kill or a broken link has hit are HELD: whether they were charged is for the vendor to say. The
checker forgives a HELD job only where a kill, a stop or a lost reply lies between its attempt and the reply, and where
the kill found this very submission in the killed worker's hands, by the worker's own log.

In long runs processes are forked from one that has loaded their modules, and several pieces run at once. The times in
the table are those of a machine as loaded as the table says; a rescue by itself is measured further down. Pieces in
which something was found are run again once it is mended, and the last run of a piece counts.

    {command}

"""

KINDS = {
    "lost": "jobs lost",
    "paid twice": "pictures paid twice",
    "webhook lost": "webhooks lost",
    "held without need": "HELD although nothing fell between sending and the reply",
    "picture wrong": "pictures wrong",
    "picture orphaned": "pictures orphaned",
    "webhook id changed": "events that came under two webhook ids",
    "webhook badly signed": "webhooks badly signed",
    "never moved": "jobs that never moved after their worker was killed",
    "worker ended by itself": "workers that ended by themselves",
    "cap passed": "times that an account was sent more than its slots",
    "wrong account": "charges or pictures of another account than the ledger names",
    "failed by a refused account": "jobs FAILED because an account was revoked or out of credits",
    "credits": "credits by account and day that the vendor has counted otherwise",
    "drained account": "slots given of an account that was drained",
    "batch line": "lines of a batch that were not accepted exactly once",
    "batch producer": "batch producers that ended with a traceback, or with another count than their lines",
    "redis": "things in Redis that contradict each other",
    "invented": "jobs that were never enqueued",
    "unjudged": "pieces that came to no verdict",
}
SHOWN = 10
"""Findings of one kind that are shown: the eleventh says no more than the tenth."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that this share of the values do not exceed; `values` are sorted."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def page(verdict: Verdict, facts: dict[str, str]) -> str:
    """The whole report in Markdown. `facts` say how it was run."""
    lines = ["| how it was run | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items()), ""]
    lines += ["| what must not be | |", "|---|---|"]
    lines += [f"| {words} | **{verdict.number(kind)}** |" for kind, words in KINDS.items()]
    lines += ["", "| what was seen | |", "|---|---|"]
    lines += [f"| {name} | {number} |" for name, number in verdict.counts.items()]
    for what, values in {
        "recovery: from a kill until a job in its hands is taken up again": verdict.recovery,
        "recovery: from a kill until a job in its hands has moved, the step itself included": verdict.moved,
        "a job from acceptance to its end": sorted(verdict.lives),
    }.items():
        lines += [f"| {what}, {name} | {value:.1f} s |" for name, value in _spread(values).items()]
    findings = [f"- {KINDS.get(kind, kind)}: {one}" for kind, all_ in verdict.wrong.items() for one in all_[:SHOWN]]
    if findings:
        lines += ["", "## Findings", "", *findings]
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Median, last per cent and longest; empty where nothing was measured."""
    found = {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "longest": percentile(values, 1)}
    return {name: value for name, value in found.items() if value is not None}


FOUND = """
## What it has found

- Due dispatchers of killed workers counted as living for a minute, and the more there are, the less often each sweeps:
  where workers died every few seconds, the jobs in their hands waited up to 5 s longer than they had to.
- Of the harness, mended before those pieces were run again: a request that a closed port had left unread was not
  written down, so a HELD job had no excuse; while the gateway was down another program took its port; a key expired
  while it was read; loading all modules took longer than a minute at a load of 40.
"""

WARDS = """
## How long a killed worker's jobs wait

Runs with `--recovery`: workers are killed in turn, far apart, and nothing else happens. The vendor holds status calls,
so that every running job is at work in a thread of some worker.

| SWAPLINE_RESCUE_AFTER | kills | jobs in a killed worker's hands | p50 | p99 | longest | things found |
|---|---|---|---|---|---|---|
"""


def wards_page(wards: dict[float, list[dict[str, Any]]]) -> str:
    """The runs with `--recovery`, a line for each setting; nothing where there are none."""
    lines = []
    for rescue_after, runs in sorted(wards.items()):
        spread = _spread(sorted(value for run in runs for value in run["recovery"]))
        cells = [f"{rescue_after:g}", sum(run["kills"] for run in runs), sum(len(run["recovery"]) for run in runs)]
        cells += [f"{value:.1f} s" for value in spread.values()]
        cells.append(f"**{sum(len(found) for run in runs for found in run['wrong'].values())}**")
        lines.append("| " + " | ".join(map(str, cells)) + " |\n")
    return WARDS + "".join(lines) if lines else ""
