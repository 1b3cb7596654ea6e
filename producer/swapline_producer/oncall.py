"""What a person does to a job that cannot go on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.change import Change, FieldValue
from swapline_producer.contract import CREDITS_PER_JOB, Notification, State, Step
from swapline_producer.errors import BatchNotFound, NotPossible
from swapline_producer.ledger import new_token

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_producer.broker import Outbox
    from swapline_producer.contract import Batch, Job
    from swapline_producer.ledger import Ledger


class OnCall:
    """Moves that only a person may decide on. Each checks the job's state, and says what is possible instead."""

    def __init__(self, ledger: Ledger, mail: Outbox) -> None:
        """Work on this ledger; what a move hands on is sent at once."""
        self._ledger = ledger
        self._mail = mail

    def resolve(self, job_id: str, vendor_job_id: str) -> Job:
        """Say that the vendor has a HELD job under this id: it is looked at from now on, and its charge is counted.

        Raises JobNotFound, NotPossible.
        """
        job = self._held(job_id)
        change = Change(
            to=State.RUNNING,
            fields={
                "vendor_job_id": vendor_job_id,
                "credits": job.credits + CREDITS_PER_JOB,
                "failure_code": None,
                "failure_detail": None,
                "notification": Notification.NONE,
            },
            stamps={"submitted_at": 0, "run_until": job.run_timeout_ms / 1000},
            due_in=0,
            note="resolved",
            data={"vendor_job_id": vendor_job_id},
            count={"resolved": 1, "credits": CREDITS_PER_JOB},
        )
        return self._move(job, change)

    def submit_again(self, job_id: str, *, accept_charge: bool) -> Job:
        """Send a HELD job to the vendor once more. The first call may have been charged: `accept_charge` says so be it.

        Raises JobNotFound, NotPossible.
        """
        job = self._held(job_id)
        if job.canceling is not None:
            raise NotPossible(f"Job {job_id} is to be canceled: it ends when its slot is free.")
        if not accept_charge:
            raise NotPossible(
                f"Job {job_id} may be charged a second time: look for it in the vendor's records first (then"
                " `swapline jobs resolve`), or say --accept-charge.",
            )
        change = Change(
            to=State.QUEUED,
            fields={"failure_code": None, "failure_detail": None, "notification": Notification.NONE},
            stamps={"queue_until": (job.queue_until - job.created_at) / 1000},
            in_line=True,
            due_by="queue_until",
            note="replayed",
            data={"from": Step.SUBMIT, "accepted_charge": True},
            count={"replayed": 1},
        )
        return self._move(job, change)

    def notify_again(self, job_id: str) -> Job:
        """Tell the customer of a job that has ended (or is HELD) once more, under the same webhook id.

        Raises JobNotFound, NotPossible.
        """
        return self.tell_again(self._ledger.get(job_id))

    def tell_again(self, job: Job) -> Job:
        """The same for a job that was just read. Raises NotPossible."""
        job_id = job.job_id
        if job.spec.webhook_url is None or not (job.state.finished or job.state is State.HELD):
            raise NotPossible(
                f"Job {job_id} is {job.state} and has {job.notification} to tell; there is nothing to send."
            )
        change = Change(
            to=job.state,
            fields={"notification": Notification.PENDING, "notify_attempts": 0},
            due_in=0,
            note="replayed",
            data={"from": Step.NOTIFY},
            count={"replayed": 1},
        )
        return self._move(job, change)

    def announce_again(self, name: str) -> Batch:
        """Tell of a batch that is completed once more, under the same webhook id. Raises BatchNotFound, NotPossible."""
        batch = self._ledger.completed_batch(name)
        if batch is None:
            raise BatchNotFound(f"There is no batch {name!r} that is completed and has somebody to tell.")
        fields: dict[str, FieldValue] = {"notification": Notification.PENDING, "notify_attempts": 0}
        data: dict[str, JsonValue] = {"from": Step.NOTIFY}
        change = Change(to=State.SUCCEEDED, fields=fields, due_in=0, note="replayed", data=data, count={"replayed": 1})
        written = self._ledger.advance_batch(batch, change, token=new_token())
        if written is None:
            raise NotPossible(f"Batch {name} has moved on in this moment; look at it again.")
        return batch.model_copy(update={**fields, "turn": written[0]})

    def _held(self, job_id: str) -> Job:
        job = self._ledger.get(job_id)
        if job.state is not State.HELD:
            raise NotPossible(f"Job {job_id} is {job.state}, not HELD; `swapline jobs list --state HELD` shows those.")
        return job

    def _move(self, job: Job, change: Change) -> Job:
        advanced = self._ledger.advance(job, change)
        if advanced is None:
            raise NotPossible(f"Job {job.job_id} has moved on in this moment; look at it again.")
        self._mail.send(advanced.granted)
        return advanced.job
