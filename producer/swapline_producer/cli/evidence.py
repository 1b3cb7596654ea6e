"""What is known of a paid call whose outcome is not: for the person who must decide about a HELD job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.cli.output import coloured, moment, out
from swapline_producer.contract import LinkedImage, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.contract import Job, JobEvent

OF_OUR_OWN = frozenset({"reason", "attempt"})
"""Facts of the log's line that are ours; the others are the vendor's reply, as far as there was one."""


def evidence(job: Job, events: Iterable[JobEvent]) -> dict[str, Any] | None:
    """What was sent, when, and what came back; None for a job that is not HELD."""
    if job.state is not State.HELD:
        return None
    last = {event.name: event for event in events}
    attempt, held = last.get("attempt"), last.get("held")
    said = dict(held.data) if held else {}
    return {
        "attempt": job.attempts,
        "sent": sent(job),
        "sent_at": moment(attempt.at) if attempt else None,
        "held_at": moment(held.at) if held else None,
        "reason": said.get("reason", job.failure_detail),
        "reply": {name: value for name, value in said.items() if name not in OF_OUR_OWN},
        "slot_held_until": moment(job.run_until) if job.slot else None,
    }


def sent(job: Job) -> dict[str, Any]:
    """The request by which the job can be found in the vendor's records; the picture by name only."""
    image = job.spec.image
    request = job.spec.model_dump(mode="json", exclude_none=True)
    names = ("api_version", "gender", "filter_id", "ratio", "quality_mode")
    facts = {name: request[name] for name in names if name in request}
    return facts | {"image": image.url if isinstance(image, LinkedImage) else image.key}


def print_held(found: Iterable[tuple[Job, dict[str, Any]]]) -> None:
    """Several HELD jobs, each with what is known of its call. Lines, not a table: the facts are as long as they are."""
    for job, known in found:
        out.print(coloured(job.state), job.job_id, f"tenant {job.tenant}")
        out.print(f"  sent at    {known['sent_at']}, attempt {known['attempt']}")
        out.print(f"  request    {_words(known['sent'])}", markup=False)
        out.print(f"  came back  {came_back(known)}", markup=False)
        if known["slot_held_until"]:
            out.print(f"  its slot   is kept until {known['slot_held_until']}, or until you decide")
    out.print("What to do: `swapline jobs resolve` or `swapline jobs replay`; see docs/guides/held-jobs.md.")


def came_back(known: dict[str, Any]) -> str:
    """The reason in words, and the vendor's own where it said anything."""
    return "  ".join(part for part in (known["reason"], _words(known["reply"])) if part)


def _words(facts: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items())
