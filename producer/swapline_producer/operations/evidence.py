"""The facts of a paid call with an unknown outcome, for a person's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract import LinkedImage, State
from swapline_producer.contract.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.contract import Job, JobEvent

_OWN_FACTS = frozenset({"reason", "attempt"})
"""Our facts of the event `held`; the others are the vendor's reply."""


def evidence(job: Job, events: Iterable[JobEvent]) -> dict[str, Any] | None:
    """Return what was sent and what came back; None unless HELD."""
    if job.state is not State.HELD:
        return None
    last = {event.name: event for event in events}
    attempt, held = last.get("attempt"), last.get("held")
    facts = dict(held.data) if held else {}
    return {
        "attempt": job.attempts,
        "sent": sent(job),
        "sent_at": rfc3339(attempt.at) if attempt else None,
        "held_at": rfc3339(held.at) if held else None,
        "reason": facts.get("reason", job.failure_detail),
        "reply": {name: value for name, value in facts.items() if name not in _OWN_FACTS},
        "slot_held_until": rfc3339(job.run_until) if job.slot and job.run_until else None,
    }


def sent(job: Job) -> dict[str, Any]:
    """Return what identifies the job in the vendor's records."""
    image = job.spec.image
    request = job.spec.model_dump(mode="json", exclude_none=True)
    names = ("api_version", "gender", "filter_id", "ratio", "quality_mode")
    facts = {name: request[name] for name in names if name in request}
    return facts | {"image": image.url if isinstance(image, LinkedImage) else image.key}
