"""What the checker says of batches: each line is accepted exactly once, however often its producer was killed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.plan import Deed

if TYPE_CHECKING:
    from chaos.evidence import Evidence, Verdict


def lines(evidence: Evidence, verdict: Verdict) -> None:
    """One job for each line, of this line's photograph."""
    of_key = Counter((job.get("tenant"), job.get("idempotency_key")) for job in evidence.jobs.values())
    for line in evidence.batch_lines:
        name = f"line {line['row']} of {line['batch']}"
        number = of_key[line["tenant"], f"batch:{line['batch']}:{line['row']}"]
        if line["job"] is None or number != 1:
            verdict.wrong["batch line"].append(f"{name} has {number} jobs, by its key {line['job']}")
    verdict.counts["of these by batch producers"] = sum(line["job"] is not None for line in evidence.batch_lines)


def producers(evidence: Evidence, verdict: Verdict) -> None:
    """A producer ends well in the end, says that it knows every line, and never with a traceback."""
    sizes = Counter(line["batch"] for line in evidence.batch_lines)
    well = dict[str, int]()
    for act in evidence.acts:
        if act["deed"] == "batch producer ended":
            if "Traceback" in act["said"]:
                verdict.wrong["batch producer"].append(f"{act['batch']} ended with {act['code']}: {act['said'][-300:]}")
            if act["code"] == 0:
                well[act["batch"]] = act["accepted"]
    for batch, size in sizes.items():
        if well.get(batch) != size:
            verdict.wrong["batch producer"].append(
                f"{batch} has {size} lines, and said that it knows {well.get(batch)}"
            )
    kills = [act["lines"] for act in evidence.acts if act["deed"] == Deed.KILL_BATCH]
    largest = max(sizes.values(), default=0)
    verdict.counts["kills of a batch producer"] = len(kills)
    verdict.counts["... between its first line and its last"] = sum(0 < number < largest for number in kills)


BATCHES = (lines, producers)
