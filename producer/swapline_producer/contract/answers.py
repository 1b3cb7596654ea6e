"""The ledger's answers to moves of jobs and batches."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 -- pydantic reads it
from typing import Literal, NamedTuple

from pydantic import Field

from swapline_producer.contract import Batch, Canceling, Frozen, Job, StepMessage


class Accepted(NamedTuple):
    """A job that is in the ledger."""

    job_id: str
    created: bool
    messages: tuple[StepMessage, ...] = ()
    """To be sent now."""
    deletion: int | None = None
    """The last deletion of an input, if the job has a stored one."""


class Advanced(Frozen):
    """A change that was written."""

    job: Job
    at: int
    due: int | None = None
    """When the next step is due, in milliseconds."""
    opens_at: int | None = None
    """When the line may move again after a refusal, in milliseconds."""
    replicated: bool = True
    """Whether enough replicas have it."""
    granted: tuple[StepMessage, ...] = ()
    """Jobs that got a slot by it, to be sent now."""
    records: dict[str, Callable[[], Job]] = Field(default_factory=dict)
    """Records of the first of these jobs, by id; reading one may raise UnreadableRecord."""


class LostRace(Frozen):
    """The job has moved on: nothing was written."""


class CancelRequested(Frozen):
    """To be canceled: nothing was written, another change is needed."""

    canceling: Canceling


class Opened(Frozen):
    """A job leased for a step. `at`: the ledger's now, milliseconds; `waiting`: jobs wait for a slot.

    `in_flight`: how many have one.
    """

    job: Job
    at: int
    waiting: bool = True
    in_flight: int = 0


class OpenedBatch(Frozen):
    """A batch leased for its webhook. `at`: the ledger's now, milliseconds."""

    batch: Batch
    at: int


class Sealed(Frozen):
    """A batch whose jobs are all in. `completed`: all have finished."""

    jobs: int
    finished: int
    completed: bool


class Claimed(Frozen):
    """What is due, and when to claim again."""

    messages: tuple[StepMessage, ...]
    at: int
    next_at: int | None
    """Milliseconds; None when nothing waits."""
    rescued: int = 0
    postponed: int = 0
    dispatchers: int = 1
    put_off: tuple[int, ...] = ()
    """New times (milliseconds) of polls put off to keep their rate."""
    polled: frozenset[str] = frozenset()
    """Jobs whose poll was written, not to be canceled."""


class Released(Frozen):
    """What became of a stopping worker's leased jobs."""

    released: int = 0
    paying: int = 0
    """Paid calls under way, left to their rescue."""


class Probe(Frozen):
    """The answer to a person's probe."""

    open: bool
    probing: bool
    free: int
    granted: tuple[StepMessage, ...] = ()
    """Jobs that probe, to be sent now."""


class Endpoint(Frozen):
    """A tenant's failing or disabled receiver. Times are milliseconds."""

    endpoint_id: str
    tenant: str
    address: str
    """The URL without query and parts that look secret."""
    error: str = ""
    status: int | None = None
    failing_since: int = 0
    failed_at: int = 0
    failures: int = 0
    disabled_at: int | None = None
    reason: Literal["gone", "failing"] | None = None
    """410, or failures for days."""
