"""Deletions: holds on inputs, the list of unneeded objects, purges, tombstones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from swapline_producer.contract import Job, State, StoredImage
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger.jobs.record import in_pieces
from swapline_producer.ledger.scripts import LedgerPart, listed, translated
from swapline_producer.storage.keys import result_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TOMB_LIFE = 366 * 86_400_000
"""Milliseconds: a year."""

DAY_MS = 86_400_000

BILLED_DAYS = 41
"""Days of spent credits that are kept: the 40 of line.lua, and today."""


class Taken(NamedTuple):
    """What to delete until `lease` (milliseconds), and promised purges."""

    names: list[str]
    lease: int
    promised: list[str]
    more: bool


class InputHold(NamedTuple):
    """A hold on an input. `wait`: there is none for these seconds, because it is being deleted."""

    wait: float | None = None
    there: bool = False
    """It is stored, or about to be."""
    deletion: int = 0
    """The number of the last deletion."""


class Purged(NamedTuple):
    """The result of a purge.

    `state`: of an unfinished job, purged at its end; `settled`: no webhook was pending.
    """

    purged: bool
    state: State | None = None
    settled: bool = True


class Facts(NamedTuple):
    """What the search for orphans reads of a job; None without a record."""

    state: State | None
    pictures: bool
    purged: bool


class Retention(LedgerPart):
    """Moves that end with a deletion."""

    def hold_input(self, sha256: str, job_id: str) -> InputHold:
        """Hold an input until this job is accepted."""
        answer = self._scripts.run("hold", sha=sha256, id=job_id, ttl_ms=self._scripts.input_ttl_ms)
        if "wait_ms" in answer:
            return InputHold(answer["wait_ms"] / 1000)
        return InputHold(there=answer["there"], deletion=answer["deletion"])

    def last_deletion(self) -> int:
        """Return the number of the last deletion of an input."""
        with translated():
            return int(cast("str | None", self._scripts.client.hget(self._scripts.key("deletions"), "last")) or 0)

    def take_unneeded(
        self, *, lease: float, limit: int = 500, only: Sequence[str] | None = None, every: float | None = None
    ) -> Taken:
        """Lease what is due for deletion, or `only` these, for `lease` seconds; nothing twice within `every`."""
        answer = self._scripts.run(
            "take",
            limit=limit,
            lease_ms=round(lease * 1000),
            only=False if only is None else list(only),
            every_ms=False if every is None else round(every * 1000),
            result_ms=self._scripts.result_ttl_ms or False,
        )
        return Taken(
            listed(answer["names"]), answer.get("lease", 0), listed(answer["promised"]), more=bool(answer["more"])
        )

    def confirm_deleted(self, taken: Taken) -> None:
        """Confirm a deletion; what is left is offered again."""
        if taken.names:
            self._scripts.run("confirm", names=taken.names, lease=taken.lease)

    def add_unneeded(self, names: Collection[str]) -> None:
        """List objects and folders for deletion, unless they are needed then."""
        if names:
            at = self._scripts.now()
            with translated():
                self._scripts.client.zadd(self._scripts.key("unneeded"), dict.fromkeys(names, at), nx=True)

    def mark_orphaned(self, job: Job) -> None:
        """List what a step wrote before it lost a race."""
        self.add_unneeded([result_folder(job)])

    def purge(self, job: Job, why: str) -> Purged:
        """Delete an ended job, or promise it. `why`, in the tombstone, must not describe a person."""
        image = job.spec.image
        emptied = job.spec.model_copy(
            update={"metadata": {}, "webhook_url": None, "extra": {}, "idempotency_key": None}
        )
        answer = self._scripts.run(
            "purge",
            id=job.job_id,
            why=why,
            tomb_ms=TOMB_LIFE,
            sha=image.sha256 if isinstance(image, StoredImage) else False,
            leaves=[result_folder(job)],
            spec=in_pieces(orjson.dumps(emptied.model_dump(mode="json", exclude_none=True))),
        )
        state = State(answer["state"]) if answer.get("promised") else None
        return Purged(purged=bool(answer.get("purged")), state=state, settled=answer.get("settled", True))

    def bury(self, job_ids: Collection[str], why: str) -> None:
        """Leave tombstones of jobs whose records expired before their results."""
        tomb = orjson.dumps({"at": self._scripts.now(), "why": why})
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.set(self._scripts.key("tomb", job_id), tomb, px=TOMB_LIFE)
            pipe.execute()

    def forget_tenant(self, tenant: str) -> None:
        """Remove a tenant's cap and its name from the sums spent."""
        today = self._scripts.now() // DAY_MS
        with translated():
            for day in range(today - BILLED_DAYS, today + 1):
                name = self._scripts.key("spent", str(day))
                spent = cast("str | None", self._scripts.client.hget(name, f"tenant:{tenant}"))
                if spent is not None:
                    self._scripts.client.hincrby(name, "tenant:(purged)", int(spent))
                    self._scripts.client.hdel(name, f"tenant:{tenant}")
            self._scripts.client.hdel(self._scripts.key("caps"), tenant)

    def rewrite_log(self) -> bool:
        """Have the server rewrite its append-only file; False where it refuses."""
        try:
            with translated():
                self._scripts.client.bgrewriteaof()
        except LedgerUnavailable:
            return False
        return True

    def promised(self) -> int:
        """Count the jobs that are purged at their ends."""
        with translated():
            return self._scripts.client.zcard(self._scripts.key("purging"))

    def orphan_facts(self, job_ids: Sequence[str]) -> list[Facts]:
        """Return what the search for orphans reads of several jobs."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(self._scripts.key("job", job_id), "state", "images")
                pipe.exists(self._scripts.key("tomb", job_id))
            found = pipe.execute()
        return [
            Facts(State(state) if state else None, pictures=images not in {None, "[]"}, purged=bool(tomb))
            for (state, images), tomb in zip(found[::2], found[1::2], strict=True)
        ]

    def unknown_inputs(self, digests: Sequence[str]) -> list[str]:
        """Return inputs that no job, hold or list names."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.hexists(self._scripts.key("inputs"), digest)
                pipe.zscore(self._scripts.key("unneeded"), f"inputs/{digest}")
            found = pipe.execute()
        known = zip(found[::2], found[1::2], strict=True)
        return [
            digest for digest, (needed, listed_at) in zip(digests, known, strict=True) if not needed and not listed_at
        ]

    def claim_periodic_task(self, name: str, every: float) -> bool:
        """Whether this caller runs a periodic task: one does each `every` seconds."""
        with translated():
            return bool(self._scripts.client.set(self._scripts.key("task", name), "1", nx=True, px=round(every * 1000)))

    def crawled_to(self, area: str, key: str | None = None) -> str:
        """Return where the search for orphans goes on; set it to `key` ('' begins again)."""
        with translated():
            if key is None:
                return str(self._scripts.client.hget(self._scripts.key("crawl"), area) or "")
            self._scripts.client.hset(self._scripts.key("crawl"), area, key)
            return key
