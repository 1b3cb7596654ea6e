"""How new jobs come into the ledger, one at a time or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from swapline_producer.contract import Step, StepMessage
from swapline_producer.contract.changes import Accepted
from swapline_producer.errors import IdempotencyConflict, NotReplicated, ObjectMissing, SwaplineError
from swapline_producer.ledger.record import APART, in_pieces
from swapline_producer.ledger.scripts import LedgerPart, granted, translated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.contract.changes import NewJob


class AcceptRequest(NamedTuple):
    """A job to be accepted. `fingerprint` tells its request from others under the same idempotency key."""

    job: NewJob
    fingerprint: str = ""
    replace_failed: bool = False


class Intake(LedgerPart):
    """The moves that write new jobs."""

    def accept(self, job: NewJob, *, fingerprint: str = "", replace_failed: bool = False) -> Accepted:
        """Write a new job as QUEUED, and give it a slot if one is free and a worker lives.

        With an idempotency key that is known, gives the job that has it; raises IdempotencyConflict where the key
        came with another `fingerprint`. `replace_failed`: a job that ended without success gives its key up instead.
        Raises ObjectMissing where the job's stored input is not held for it (any more), NotReplicated where too few
        replicas have the job.
        """
        accept_request = AcceptRequest(job, fingerprint, replace_failed)
        reply, kept = self._scripts.run_replicated("accept", **self._acceptance(accept_request))
        answer = _accepted(accept_request, reply)
        if not kept:
            raise NotReplicated(f"Job {job.job_id}")
        if isinstance(answer, SwaplineError):
            raise answer
        return answer

    def accept_many(self, wishes: Iterable[AcceptRequest]) -> list[Accepted | SwaplineError]:
        """Write many new jobs in one round trip, each for itself; they stand in the waiting line at once.

        No slot is given out: the first look of any worker at the line does that. Raises LedgerUnavailable where the
        connection broke: then each of them may or may not have been written.
        """
        wanted = list(wishes)
        answers = self._scripts.run_many(
            "accept", ({**self._acceptance(accept_request), "quiet": True} for accept_request in wanted)
        )
        return [
            answer if isinstance(answer, SwaplineError) else _accepted(accept_request, answer)
            for accept_request, answer in zip(wanted, answers, strict=True)
        ]

    def known_keys(self, keys: Iterable[tuple[str, str]]) -> int:
        """How many of these idempotency keys, given as (tenant, key), have a job, in one round trip."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for tenant, key in keys:
                pipe.exists(self._scripts.key("key", tenant, key))
            return sum(pipe.execute())

    def _acceptance(self, accept_request: AcceptRequest) -> dict[str, Any]:
        spec, ttl_ms = accept_request.job.spec, round(accept_request.job.queue_ttl * 1000)
        run_ms = round(accept_request.job.run_timeout * 1000)
        arguments = {
            "id": accept_request.job.job_id,
            "tenant": spec["tenant"],
            "priority": spec["priority"],
            "ttl_ms": ttl_ms,
            "life_ms": ttl_ms + run_ms + self._scripts.record_ttl_ms,
            "fields": {
                **in_pieces(
                    orjson.dumps({name: spec[name] for name in spec if name not in APART and spec[name] != {}})
                ),
                **{name: spec[name] for name in APART if name in spec},
                "run_timeout_ms": str(run_ms),
            },
        }
        if spec["image"]["kind"] == "stored":
            arguments["sha"] = spec["image"]["sha256"]
        if "idempotency_key" in spec:
            arguments["claim"] = {
                "fingerprint": accept_request.fingerprint,
                "replace_failed": accept_request.replace_failed,
            }
        return arguments


def _accepted(accept_request: AcceptRequest, answer: dict[str, Any]) -> Accepted | IdempotencyConflict | ObjectMissing:
    if answer.get("unheld"):
        return ObjectMissing(
            "The picture was stored so long ago that it may be deleted by now (SWAPLINE_INPUT_TTL); enqueue it again."
        )
    if not answer.get("conflict"):
        return Accepted(answer["id"], answer["created"], _messages(answer))
    key = accept_request.job.spec["idempotency_key"]
    return IdempotencyConflict(
        f"The idempotency key {key!r} already belongs to job {answer['id']}, which was asked for with other"
        " values; use another key, or send the same request again.",
    )


def _messages(answer: dict[str, Any]) -> tuple[StepMessage, ...]:
    """What was given a slot; or the job itself, where no worker lives that would find it in the line."""
    if not answer["created"]:
        return ()
    in_line = answer.get("granted", False) is not False
    return granted(answer) if in_line else (StepMessage(step=Step.SUBMIT, job_id=answer["id"], version=1),)
