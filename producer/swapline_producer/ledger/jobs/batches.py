"""Batches: sealed, then completed when all jobs have finished, with one webhook."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

import orjson

from swapline_producer.contract import BATCH_PREFIX, Batch, State, batch_key
from swapline_producer.contract.answers import OpenedBatch, Sealed
from swapline_producer.errors import BatchNotFound
from swapline_producer.ledger.jobs.record import written
from swapline_producer.ledger.scripts import LedgerPart, sparse, translated
from swapline_producer.ledger.webhooks import index_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract import Job
    from swapline_producer.contract.changes import Change


class Batches(LedgerPart):
    """Moves of a batch as a whole."""

    def seal(self, batch: str, webhook_url: str, tenant: str = "default") -> Sealed:
        """Seal a batch. Repeatable. Raises BatchNotFound."""
        nonce = secrets.token_hex(10)  # 80 bits, so that the webhook's id cannot be guessed
        answer = self._scripts.run(
            "seal", name=batch_key(batch, tenant), batch=batch, tenant=tenant, webhook_url=webhook_url, nonce=nonce
        )
        if not answer["jobs"]:
            raise BatchNotFound(
                f"There is no batch {batch!r} of tenant {tenant!r} in the ledger: none of its jobs has that batch."
            )
        return Sealed(jobs=answer["jobs"], finished=answer["finished"], completed=answer["completed"])

    def job_ids(self, batch: str, tenant: str = "default") -> list[str]:
        """Return the ids of a batch's jobs, in the order accepted."""
        with translated():
            return cast(
                "list[str]", self._scripts.client.zrange(self._scripts.key("batch", batch_key(batch, tenant)), 0, -1)
            )

    def completed(self, batch: str, tenant: str = "default") -> Batch | None:
        """Return a completed batch; None for any other."""
        name = self._scripts.key("job", BATCH_PREFIX + batch_key(batch, tenant))
        with translated():
            fields = cast("dict[str, str]", self._scripts.client.hgetall(name))
        return _batch(fields) if "counts" in fields else None

    def open(self, record_id: str, version: int) -> OpenedBatch | None:
        """Read a completed batch; None where `version` is stale."""
        answer = self._scripts.run("open", id=record_id, version=str(version))
        if answer.get("stale"):
            return None
        flat = answer["fields"]
        return OpenedBatch(batch=_batch(dict(zip(flat[::2], flat[1::2], strict=True))), at=answer["at"])

    def advance(self, batch: Batch, change: Change, *, token: str) -> tuple[int, int | None] | None:
        """Write a webhook's result; return version and due time (milliseconds), None after a lost race."""
        arguments = {
            "state": State.SUCCEEDED,  # routed as a job that has succeeded and whose webhook is pending
            "version": str(batch.version),
            "token": token,
            **written(batch.record_id, change, self._scripts.record_ttl_ms),
            **index_changes(batch, change),
        }
        answer = self._scripts.run("advance", **sparse(arguments))
        return None if answer.get("stale") else (answer["version"], answer.get("due") or None)


def counted(job: Job, change: Change) -> dict[str, Any]:
    """Return a job's end in its batch's counts, or its reverse."""
    if job.spec.batch is None or job.state.finished is change.to.finished:
        return {}
    ends = change.to.finished
    by, fields = (1, change.fields) if ends else (-1, {})
    code = fields.get("failure_code", job.failure_code)
    paid = int(str(fields.get("credits", job.credits)))
    counts = {"finished": by, f"state:{change.to if ends else job.state}": by, "credits": by * paid}
    return {"batch": batch_key(job.spec.batch, job.tenant), "tally": counts | ({f"code:{code}": by} if code else {})}


def _batch(fields: Mapping[str, str]) -> Batch:
    known: dict[str, Any] = {name: value for name, value in fields.items() if name in Batch.model_fields}
    return Batch.model_validate(known | {"counts": _counts(orjson.loads(fields["counts"]))})


def _counts(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: {} if value == [] else value for name, value in counts.items()}
