"""The workers of an installation: their vendor, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import orjson
from pydantic import Field

from swapline_producer.contract import Frozen
from swapline_producer.contract.changes import Limits
from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_producer.ledger.accounts import DEFAULT, Vendor, refusal
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFE_MS = 60_000
"""An unseen worker counts as living: six missed calls."""


class WorkerRecord(Frozen):
    """What one worker process shows, without secrets."""

    worker_id: str
    host: str
    pid: int
    started_at: int
    """UTC milliseconds, by its machine."""
    at: int = 0
    """UTC milliseconds."""
    address: str = ""
    key: str = ""
    """End of its fingerprint."""
    steps: str = ""
    """Comma-separated."""
    storage_url: str = ""
    store: str = ""
    """`ok`, or the problem; empty before its first answer."""
    webhook_keys: int = 0
    """Number of keys for tenants without their own."""
    webhook_print: str = ""
    tenant_keys: bool = False
    shared: dict[str, str] = Field(default_factory=dict)
    """Settings that all workers should share."""
    limits: Limits = Limits()

    @property
    def name(self) -> str:
        """Return its host and process."""
        return f"{self.host} (pid {self.pid})"


class LimitChange(NamedTuple):
    """A limit in force, because all workers that name it agree."""

    name: str
    before: float | None
    now: float


class Joined(NamedTuple):
    """The answer to a worker that joins."""

    limits: Limits
    """Those in force."""
    changes: tuple[LimitChange, ...]


class Workers(LedgerPart):
    """The living workers."""

    def join(
        self, vendor: Vendor, worker: WorkerRecord | None = None, *, account: str = DEFAULT, check_only: bool = False
    ) -> Joined:
        """Check that the ledger belongs to this vendor; bind an unbound one, unless `check_only`.

        A `worker` is shown for LIFE_MS, and its limits count. Raises WrongOwner.
        """
        arguments: dict[str, Any] = {"account": account, "check_only": check_only, **vendor._asdict()}
        if worker is not None:
            record = worker.model_dump(mode="json", exclude={"worker_id", "at"}) | {"limits": worker.limits.named()}
            arguments["worker"] = {"id": worker.worker_id, "record": record}
        answer = self._scripts.run("join", **arguments, life_ms=LIFE_MS)
        if answer["refused"] == "salt":
            raise LedgerUnavailable("Another worker has just bound the ledger to its account; ask again.")
        if answer["refused"]:
            own = Vendor(answer["address"], answer["simulated"], answer["key"])
            raise WrongOwner(refusal(answer["refused"], own, vendor))
        changes = tuple(_change(*change) for change in answer.get("changes") or ())
        return Joined(Limits.from_ledger(answer.get("limits", {})), changes)

    def leave(self, worker_id: str) -> None:
        """Remove a worker."""
        with translated():
            self._scripts.client.hdel(self._scripts.key("workers"), worker_id)

    def alive(self) -> list[WorkerRecord]:
        """Return the living workers, the first started first."""
        with translated():
            found = cast("Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("workers")))
        living_since = self._scripts.now() - LIFE_MS
        records = [_record(worker_id, orjson.loads(text)) for worker_id, text in found.items()]
        return sorted((record for record in records if record.at > living_since), key=lambda one: one.started_at)


def _change(field: str, before: str | Literal[False], now: str) -> LimitChange:
    after = Limits.from_ledger({field: now})
    [name] = after.model_fields_set
    was = Limits.from_ledger({field: before} if before else {})
    return LimitChange(name, getattr(was, name), getattr(after, name))


def _record(worker_id: str, fields: dict[str, Any]) -> WorkerRecord:
    return WorkerRecord.model_validate(
        fields | {"worker_id": worker_id, "limits": Limits.from_ledger(fields["limits"])}
    )
