"""The facts of one job's page: stages, events, the paid call, deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swapline_producer.contract import LinkedImage, Notification
from swapline_producer.foreign_text import without_query
from swapline_producer.operations.evidence import evidence
from swapline_workers.board.facts.redaction import facts, shown
from swapline_workers.board.labels import EVENT_TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swapline_producer.contract import Job, JobEvent

WIDTH = 1000

THINNEST = 6
"""Units of the bar, so that a stage is seen."""

LONGEST_LOG = 400
"""Lines; a job has ten, or hundreds if repeated for days."""


class Stage(NamedTuple):
    """A part of a job's life (UTC milliseconds), drawn from `x` on."""

    name: str
    tone: str
    begins: int
    ends: int | None
    """None while it lasts."""
    x: float = 0
    width: float = 0


class LogLine(NamedTuple):
    """`after`, `since_start`: milliseconds since the event before, and since the first."""

    at: int
    after: int
    since_start: int
    title: str
    name: str
    facts: list[tuple[str, str]]


class Delivery(NamedTuple):
    """One attempt to deliver the webhook."""

    attempt: str
    at: int
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Story:
    """A job's page."""

    job: Job
    stages: list[Stage]
    log_lines: list[LogLine]
    left_out: int
    deliveries: list[Delivery]
    held: dict[str, Any] | None
    input_url: str | None
    webhook_url: str | None
    detail: str

    @property
    def at_rest(self) -> bool:
        """Whether nothing will change any more."""
        return self.job.state.finished and self.job.notification is not Notification.PENDING


def story(job: Job, events: Sequence[JobEvent], now: int) -> Story:
    """Return the page's facts. `now`: UTC milliseconds by the ledger's clock."""
    image = job.spec.image
    known = evidence(job, events)
    return Story(
        job=job,
        stages=_drawn(_stages(job, events), now),
        log_lines=_log_lines(events)[-LONGEST_LOG:],
        left_out=max(0, len(events) - LONGEST_LOG),
        deliveries=[_delivery(event) for event in events if event.name.startswith("webhook ")],
        held=_scrubbed(known) if known else None,
        input_url=without_query(image.url) if isinstance(image, LinkedImage) else None,
        webhook_url=without_query(job.spec.webhook_url) if job.spec.webhook_url else None,
        detail=shown(job.failure_detail) if job.failure_detail else "",
    )


def _stages(job: Job, events: Sequence[JobEvent]) -> list[Stage]:
    """Return the stages reached; the latest of a job sent again."""
    latest = {event.name: event.at for event in events}
    settled = [latest[name] for name in ("webhook delivered", "webhook dead") if name in latest]
    begins = [
        ("Queued", "waiting", job.created_at),
        ("Submitting", "working", latest.get("slot")),
        ("Held", "held", latest.get("held")),
        ("Running", "running", job.submitted_at),
        ("Storing", "storing", job.terminal_at),
    ]
    came_to = sorted([(at, name, tone) for name, tone, at in begins if at is not None])
    ends = [at for at, *_ in came_to[1:]] + [job.finished_at]
    stages = [Stage(name, tone, at, end) for (at, name, tone), end in zip(came_to, ends, strict=True)]
    if job.finished_at is not None and job.notification is not Notification.NONE:
        pending = job.notification is Notification.PENDING  # else its line may have been dropped from a long log
        ended = max(settled, default=None if pending else job.finished_at)
        stages.append(Stage("Delivering", "delivering", job.finished_at, ended))
    return stages


def _drawn(stages: list[Stage], now: int) -> list[Stage]:
    """Set each stage's place on the bar: as wide as its time, never invisible."""
    lengths = [max(0, (now if stage.ends is None else stage.ends) - stage.begins) for stage in stages]
    total = sum(lengths) or 1
    widths = [max(THINNEST, length / total * WIDTH) for length in lengths]
    scale = WIDTH / (sum(widths) or 1)
    drawn, x = [], 0.0
    for stage, width in zip(stages, widths, strict=True):
        drawn.append(stage._replace(x=round(x, 1), width=round(width * scale, 1)))
        x += width * scale
    return drawn


def _log_lines(events: Sequence[JobEvent]) -> list[LogLine]:
    found = []
    for before, event in zip([*events[:1], *events], events, strict=False):
        title = EVENT_TITLES.get(event.name, event.name)
        after, since_start = event.at - before.at, event.at - events[0].at
        found.append(LogLine(event.at, after, since_start, title, event.name, facts(event.data)))
    return found


def _delivery(event: JobEvent) -> Delivery:
    return Delivery(
        attempt=shown(event.data.get("attempt", "")),
        at=event.at,
        accepted=event.name == "webhook delivered",
        reason=_answer(event.data),
    )


def _answer(data: Mapping[str, object]) -> str:
    error = data.get("error") or data.get("reason")
    answer = shown(error) if error else f"answered {data['status']}" if "status" in data else ""
    return f"{answer} in {data['seconds']} s" if "seconds" in data else answer


def _scrubbed(known: dict[str, Any]) -> dict[str, Any]:
    sent = [(name.replace("_", " "), without_query(str(value))) for name, value in known["sent"].items()]
    return known | {"reason": shown(known["reason"]), "sent": sent, "reply": facts(known["reply"])}
