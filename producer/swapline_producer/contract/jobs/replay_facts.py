"""What decides whether a job can be run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from swapline_producer.contract import Job, State


class ReplayFacts(NamedTuple):
    """What a dry run over 100,000 jobs reads."""

    job_id: str
    state: State
    vendor_job_id: str | None
    canceling: bool
    replayed: str
    """Comma-separated steps."""
    listens: bool
    holds_input: bool = True
    """Its picture can be sent again, as far as the ledger knows."""

    @classmethod
    def of(cls, job: Job) -> ReplayFacts:
        """Of a whole job."""
        return cls(
            job_id=job.job_id,
            state=job.state,
            vendor_job_id=job.vendor_job_id,
            canceling=job.canceling is not None,
            replayed=job.replayed,
            listens=job.spec.webhook_url is not None,
        )

    def was_replayed_from(self, step: str) -> bool:
        """Whether a person ran it again from this step."""
        return step in self.replayed.split(",")


def input_is_gone(job_id: str) -> str:
    """Say why a job without its picture cannot be sent again."""
    return (
        f"Job {job_id} cannot be sent again, its picture is not kept any more: SWAPLINE_INPUT_TTL says how long it is"
        " after a job has ended without success. Enqueue it again, with the picture."
    )
