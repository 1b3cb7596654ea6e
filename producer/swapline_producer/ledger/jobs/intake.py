"""Accept new jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from swapline_producer.contract import ApiVersion, Step, StepMessage
from swapline_producer.contract.answers import Accepted
from swapline_producer.errors import IdempotencyConflict, NotReplicated, ObjectMissing, RequestError, SwaplineError
from swapline_producer.ledger.jobs.record import APART, in_pieces
from swapline_producer.ledger.scripts import LedgerPart, granted, translated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.contract import NewJob


class Intake(LedgerPart):
    """Moves that write new jobs."""

    def accept(self, job: NewJob) -> Accepted:
        """Write a job as QUEUED, with a slot if one is free and a worker lives.

        Returns the job that has the idempotency key; raises IdempotencyConflict, ObjectMissing where the stored input
        may be deleted by now, NotReplicated.
        """
        reply, replicated = self._scripts.run_replicated("accept", **self._arguments(job))
        answer = _accepted(job, reply)
        if not replicated:
            raise NotReplicated(f"Job {job.job_id}")
        if isinstance(answer, SwaplineError):
            raise answer
        return answer

    def accept_many(self, jobs: Iterable[NewJob]) -> list[Accepted | SwaplineError]:
        """Write many jobs in one round trip, without slots.

        Raises LedgerUnavailable: each may have been written.
        """
        wanted = list(jobs)
        answers = self._scripts.run_many("accept", ({**self._arguments(job), "quiet": True} for job in wanted))
        return [
            answer if isinstance(answer, SwaplineError) else _accepted(job, answer)
            for job, answer in zip(wanted, answers, strict=True)
        ]

    def known_keys(self, keys: Iterable[tuple[str, str]]) -> int:
        """Count the idempotency keys (tenant, key) with a job."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for tenant, key in keys:
                pipe.exists(self._scripts.key("key", tenant, key))
            return sum(pipe.execute())

    def _arguments(self, job: NewJob) -> dict[str, Any]:
        spec, ttl_ms, run_ms = job.spec, round(job.queue_ttl * 1000), round(job.run_timeout * 1000)
        text = orjson.dumps({name: spec[name] for name in spec if name not in APART and spec[name] != {}})
        arguments = {
            "id": job.job_id,
            "tenant": spec["tenant"],
            "priority": spec["priority"],
            "ttl_ms": ttl_ms,
            "life_ms": ttl_ms + run_ms + self._scripts.record_ttl_ms,
            "fields": {
                **in_pieces(text),
                **{field: spec[name] for name, field in APART.items() if name in spec},
                "run_timeout_ms": str(run_ms),
                **({"api": spec["api_version"]} if spec["api_version"] != ApiVersion.V6 else {}),
            },
        }
        if spec["image"]["kind"] == "stored":
            arguments["sha"] = spec["image"]["sha256"]
            if job.stored_after is not None:
                arguments["stored_after"] = job.stored_after
        if "idempotency_key" in spec:
            arguments["claim"] = {"fingerprint": job.fingerprint, "replace_failed": job.replace_failed}
        return arguments


def _accepted(job: NewJob, answer: dict[str, Any]) -> Accepted | IdempotencyConflict | ObjectMissing | RequestError:
    if "unknown" in answer:
        return unknown_account(job.spec["account"], answer["unknown"])
    if answer.get("unheld"):
        return ObjectMissing(
            "The picture was stored so long ago that it may be deleted by now (SWAPLINE_INPUT_TTL); enqueue it again."
        )
    if not answer.get("conflict"):
        return Accepted(answer["id"], answer["created"], _messages(answer), answer.get("deletion"))
    key = job.spec["idempotency_key"]
    return IdempotencyConflict(
        f"The idempotency key {key!r} already belongs to job {answer['id']}, which was asked for"
        " with other values; use another key, or send the same request again.",
    )


def unknown_account(account: str, known: Iterable[str]) -> RequestError:
    """Return the refusal of a request for an unknown account."""
    return RequestError(
        f"account: there is no account or label {account!r}; there are {', '.join(known)}", field="account"
    )


def _messages(answer: dict[str, Any]) -> tuple[StepMessage, ...]:
    """Return messages of jobs with a new slot, or of the job where no worker lives."""
    if not answer["created"]:
        return ()
    in_line = answer.get("granted", False) is not False
    return granted(answer) if in_line else (StepMessage(step=Step.SUBMIT, job_id=answer["id"], version=1),)
