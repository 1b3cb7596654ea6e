"""One job's page: what happened when, how long it took, what is known, who was told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swapline_producer.cli.evidence import evidence
from swapline_producer.contract import LinkedImage, Notification
from swapline_producer.foreign_text import without_query
from swapline_workers.board.labels import HAPPENINGS
from swapline_workers.board.redaction import facts, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swapline_producer.contract import Job, JobEvent

WIDTH = 1000
"""Of the drawn bar, in units of its own."""

THINNEST = 6
"""Units that the shortest stage gets, or it would not be seen."""

LONGEST_LOG = 400
"""Lines of a log that are shown, the latest; a job has ten, one that was tried again for days some hundreds."""


class Stage(NamedTuple):
    """A stretch of a job's life: from one moment to another (milliseconds), drawn from `x` on, `width` wide."""

    name: str
    tone: str
    begins: int
    ends: int | None
    """None while it lasts."""
    x: float = 0
    width: float = 0


class Happening(NamedTuple):
    """A line of the log: when, how long after the line before it and after the first, what, and the facts of it."""

    at: int
    after: int
    since_start: int
    title: str
    name: str
    facts: list[tuple[str, str]]


class Delivery(NamedTuple):
    """One attempt to tell the customer."""

    attempt: str
    at: int
    well: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Story:
    """A job's page."""

    job: Job
    stages: list[Stage]
    happenings: list[Happening]
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
    """Tell a job's story from its record and its log. `now` is the ledger's, in milliseconds."""
    image = job.spec.image
    known = evidence(job, events)
    return Story(
        job=job,
        stages=_drawn(_stages(job, events), now),
        happenings=_happenings(events)[-LONGEST_LOG:],
        left_out=max(0, len(events) - LONGEST_LOG),
        deliveries=[_delivery(event) for event in events if event.name.startswith("webhook ")],
        held=_scrubbed(known) if known else None,
        input_url=without_query(image.url) if isinstance(image, LinkedImage) else None,
        webhook_url=without_query(job.spec.webhook_url) if job.spec.webhook_url else None,
        detail=shown(job.failure_detail) if job.failure_detail else "",
    )


def _stages(job: Job, events: Sequence[JobEvent]) -> list[Stage]:
    """Queued, submitting, running, storing, telling: those that it came to. A job that was sent again counts once."""
    slot = next((event.at for event in reversed(events) if event.name == "slot"), None)
    told = next((event.at for event in reversed(events) if event.name in {"webhook delivered", "webhook dead"}), None)
    begins = [
        ("Queued", "waiting", job.created_at),
        ("Submitting", "working", slot),
        ("Held", "held", next((event.at for event in reversed(events) if event.name == "held"), None)),
        ("Running", "running", job.submitted_at),
        ("Storing", "storing", job.terminal_at),
    ]
    came_to = sorted([(at, name, tone) for name, tone, at in begins if at is not None])
    ends = [at for at, *_ in came_to[1:]] + [job.finished_at]
    stages = [Stage(name, tone, at, end) for (at, name, tone), end in zip(came_to, ends, strict=True)]
    if job.finished_at is not None and job.notification is not Notification.NONE:
        stages.append(Stage("Telling", "telling", job.finished_at, told))
    return stages


def _drawn(stages: list[Stage], now: int) -> list[Stage]:
    """Give each stage its place on the bar: as wide as it took long, but never too thin to be seen."""
    lengths = [max(0, (now if stage.ends is None else stage.ends) - stage.begins) for stage in stages]
    total = sum(lengths) or 1
    widths = [max(THINNEST, length / total * WIDTH) for length in lengths]
    scale = WIDTH / (sum(widths) or 1)
    drawn, x = [], 0.0
    for stage, width in zip(stages, widths, strict=True):
        drawn.append(stage._replace(x=round(x, 1), width=round(width * scale, 1)))
        x += width * scale
    return drawn


def _happenings(events: Sequence[JobEvent]) -> list[Happening]:
    found = []
    for before, event in zip([*events[:1], *events], events, strict=False):
        title = HAPPENINGS.get(event.name, event.name)
        after, since_start = event.at - before.at, event.at - events[0].at
        found.append(Happening(event.at, after, since_start, title, event.name, facts(event.data)))
    return found


def _delivery(event: JobEvent) -> Delivery:
    return Delivery(
        attempt=shown(event.data.get("attempt", "")),
        at=event.at,
        well=event.name == "webhook delivered",
        reason=_answer(event.data),
    )


def _answer(data: Mapping[str, object]) -> str:
    """What came of an attempt: what went wrong, else the answer's status; and how long it took."""
    wrong = data.get("error") or data.get("reason")
    said = shown(wrong) if wrong else f"answered {data['status']}" if "status" in data else ""
    return f"{said} in {data['seconds']} s" if "seconds" in data else said


def _scrubbed(known: dict[str, Any]) -> dict[str, Any]:
    sent = [(name.replace("_", " "), without_query(str(value))) for name, value in known["sent"].items()]
    return known | {"reason": shown(known["reason"]), "sent": sent, "reply": facts(known["reply"])}
