"""The moves of a job, one Lua file and round trip each. A lost race is no error."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import FINISHED, Canceling, Job, State, Step, StepMessage, StoredImage
from swapline_producer.contract.answers import Advanced, CancelRequested, Claimed, LostRace, Opened, Released
from swapline_producer.contract.jobs.replay_facts import input_is_gone
from swapline_producer.contract.transitions import apply, holds_slot
from swapline_producer.errors import LedgerSettling, NotPossible, VendorIdInUse
from swapline_producer.ledger.jobs.batches import counted
from swapline_producer.ledger.jobs.record import job_of, written
from swapline_producer.ledger.scripts import LedgerPart, granted, listed, sparse
from swapline_producer.ledger.servers import ATTEMPT_DELAY_ON_NEW_SERVER_S
from swapline_producer.ledger.webhooks import index_changes
from swapline_producer.storage.keys import result_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swapline_producer.contract.changes import Change, Polled

HOLDING_INPUT = FINISHED - {State.SUCCEEDED}
"""A person may send these again: the input is kept for a while."""


class Transitions(LedgerPart):
    """Moves of accepted jobs."""

    def open(self, job_id: str, version: int) -> Opened | None:
        """Read a job for a step; None where `version` is stale."""
        answer = self._scripts.run("open", id=job_id, version=str(version))
        if answer.get("stale"):
            return None
        flat = answer["fields"]
        job = _job_of_flat(job_id, flat)
        return Opened.model_construct(
            job=job, at=answer["at"], waiting=answer["waiting"], in_flight=answer["in_flight"]
        )

    def line_up(self, job: Job) -> tuple[StepMessage, ...] | None:
        """Line a QUEUED job up; return messages of jobs with new slots, None after a lost race."""
        answer = self._scripts.run("line_up", id=job.job_id, version=str(job.version))
        return None if answer.get("stale") else granted(answer)

    def restore_attempt(self, job: Job, change: Change, *, token: str) -> Advanced | LostRace | CancelRequested:
        """Write an attempt that the ledger has lost, with its own token, at once. See `advance`."""
        return self._advance(job, change, token, attempt=False)

    def advance(
        self, job: Job, change: Change, *, token: str = "", after: str = ""
    ) -> Advanced | LostRace | CancelRequested:
        """Write a change if the job is as read: state, version, no new cancellation.

        Raises NotPossible where the needed input is gone, VendorIdInUse; LedgerSettling for an attempt just after
        Redis's return. A repetition with the same `token` counts as written if the first was. `after`: the token of the
        write that made this version; a ledger that lost its last writes may count up to it a second time.
        """
        attempt = change.fields.get("attempt_open") is True
        return self._advance(job, change, token, after, attempt=attempt)

    def _advance(
        self, job: Job, change: Change, token: str, after: str = "", *, attempt: bool
    ) -> Advanced | LostRace | CancelRequested:
        slot = holds_slot(job, change)
        arguments = {
            "state": job.state,
            "version": str(job.version),
            "canceling": job.canceling,
            "token": token or new_token(),
            "after": after,
            "on": job.account if attempt else "",
            "settling_ms": round(ATTEMPT_DELAY_ON_NEW_SERVER_S * 1000) if attempt else False,
            "slot": slot,
            "stamps": {name: round(seconds * 1000) for name, seconds in change.stamps.items()},
            "in_line": change.in_line,
            "observe": {name: _shares(spread) for name, spread in change.observe.items()},
            "timed": {name: round(seconds * 1000) for name, seconds in change.timed.items()},
            "trip": _trip(job, change),
            "close_breaker": change.close_breaker,
            "store_failed": change.store_failed,
            "input_read": change.input_read,
            "refund": change.refund,
            "reopens": job.state.finished and not change.to.finished,
            **written(job.job_id, change, self._scripts.record_ttl_ms),
            **index_changes(job, change),
            **counted(job, change),
            **self._remains(job, change),
        }
        if attempt:  # one that a fail-over forgot would be made, and paid, again
            answer, replicated = self._scripts.run_attempt(**sparse(arguments))
        else:
            answer, replicated = self._scripts.run("advance", **sparse(arguments)), True
        if settling := answer.get("settling"):
            raise LedgerSettling(settling / 1000)
        if answer.get("unheld"):
            raise NotPossible(input_is_gone(job.job_id))
        if owner := answer.get("owner"):
            raise VendorIdInUse(str(change.fields.get("vendor_job_id") or job.vendor_job_id), job.job_id, owner)
        if answer.get("stale"):
            how = answer.get("canceling")
            return CancelRequested(canceling=Canceling(how)) if how else LostRace()
        return Advanced.model_construct(  # our own values: checked once is enough
            job=apply(job, change, answer["at"]),
            records={job_id: partial(_job_of_flat, job_id, flat) for job_id, flat in answer.get("records", {}).items()},
            at=answer["at"],
            due=answer.get("due") or None,
            opens_at=answer.get("opens_at"),
            replicated=replicated,
            granted=granted(answer),
        )

    def _remains(self, job: Job, change: Change) -> dict[str, Any]:
        image = job.spec.image
        if not (change.to.finished or job.state.finished):
            return {}
        leaves: dict[str, int] = {}
        if change.fields.get("images"):
            leaves |= {} if self._scripts.result_ttl_ms is None else {result_folder(job): self._scripts.result_ttl_ms}
        elif job.state is State.STORING:
            leaves[result_folder(job)] = 0
        return {
            "sha": image.sha256 if isinstance(image, StoredImage) else False,
            "input_ttl_ms": self._input_ttl(change.to) or False,
            "leaves": leaves,
        }

    def _input_ttl(self, to: State) -> int:
        if to is State.SUCCEEDED:
            return self._scripts.input_shown_ms
        return self._scripts.input_ttl_ms if to in HOLDING_INPUT else 0

    def request_cancel(self, job: Job, how: Canceling, by: str = "") -> bool:
        """Have a job that the vendor may have end CANCELED; False where it does not. `by` is logged."""
        return bool(self._scripts.run("cancel", id=job.job_id, state=job.state, how=how, by=by).get("requested"))

    def claim(
        self,
        routes: Mapping[str, Step],
        *,
        dispatcher: str = "dispatcher",
        limit: int = 200,
        backlog: int = 1000,
        polled: Sequence[Polled] = (),
    ) -> Claimed:
        """Write `polled`; take at most `limit` due entries, and the free slots.

        `routes`: state -> step. A queue with more than `backlog` messages gets no rescues.
        """
        answer = self._scripts.run(
            "claim",
            dispatcher=dispatcher,
            limit=limit,
            backlog=backlog,
            polled=[self._polled(poll) for poll in polled],
            finished=sorted(FINISHED),
            keep_ms=self._scripts.record_ttl_ms,
            routes=dict(routes),
            queues={step.value: step.queue(self._scripts.prefix) for step in Step},
        )
        messages = [
            StepMessage.model_construct(step=Step(step), job_id=job_id, version=version, retries=retries)
            for job_id, step, version, retries in listed(answer["messages"])
        ]
        return Claimed(
            messages=(*messages, *granted(answer)),
            at=answer["at"],
            next_at=answer.get("next_at"),
            rescued=answer["rescued"],
            postponed=answer["postponed"],
            dispatchers=answer["dispatchers"],
            put_off=tuple(listed(answer["put_off"])),
            polled=frozenset(listed(answer["polled"])),
        )

    def _polled(self, poll: Polled) -> dict[str, Any]:
        change, age = written(poll.job.job_id, poll.change, self._scripts.record_ttl_ms), round(poll.age * 1000)
        return {
            **{name: change[name] for name in ("id", "set", "note", "data", "count") if change[name] is not None},
            "version": str(poll.job.version),
            "token": poll.token,
            "stamps": {name: round(seconds * 1000) - age for name, seconds in poll.change.stamps.items()},
            "due_ms": max(0, change["due_ms"] - age),
        }

    def renew(self, jobs: Iterable[tuple[str, int]]) -> int:
        """Put off the rescue of leased jobs (id, version)."""
        pairs = [[job_id, str(version)] for job_id, version in jobs]
        return int(self._scripts.run("renew", jobs=pairs)["renewed"])

    def release(self, jobs: Iterable[tuple[str, int]]) -> Released:
        """Make leased jobs (id, version) due at once, except for paid calls under way."""
        pairs = [[job_id, str(version)] for job_id, version in jobs]
        answer = self._scripts.run("release", jobs=pairs) if pairs else {"released": 0, "paying": 0}
        return Released(released=answer["released"], paying=answer["paying"])


def new_token() -> str:
    """Return 48 random bits, unique among one job's changes. `os.urandom` would hand over Python's lock."""
    return f"{random.getrandbits(48):012x}"


def _job_of_flat(job_id: str, flat: Sequence[str]) -> Job:
    return job_of(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))


def _trip(job: Job, change: Change) -> dict[str, Any] | bool:
    if change.trip is None:
        return False
    trip = change.trip
    return {
        "reason": trip.reason,
        "kind": trip.kind,
        "wait_ms": round(trip.wait * 1000),
        "longest_ms": round(trip.longest * 1000),
        "shrink": trip.shrink,
        "asked": trip.asked,
        "by": trip.about or job.job_id,
        "polls": job.state in {State.RUNNING, State.STORING},
    }


def _shares(spread: Mapping[int, float]) -> dict[str, str]:
    return {str(bucket): f"{share:.4f}" for bucket, share in spread.items()}
