"""The report of a run, as a page that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.checker import Verdict

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
    "redis": "things in Redis that contradict each other",
    "invented": "jobs that were never enqueued",
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
