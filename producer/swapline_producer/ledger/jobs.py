"""Reading jobs, and what there is of them. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import orjson
from pydantic import TypeAdapter

from swapline_producer.contract import ImageRef, Job, JobEvent, State
from swapline_producer.errors import JobNotFound
from swapline_producer.ledger.record import job_of, whole
from swapline_producer.ledger.scripts import LedgerCore, listed, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

_IMAGE: TypeAdapter[ImageRef] = TypeAdapter(ImageRef)


class Looks(LedgerCore):
    """Looks at jobs, one or many, and at the whole."""

    def get(self, job_id: str) -> Job:
        """Read one job. Raises JobNotFound."""
        with translated():
            fields = cast("dict[str, str]", self.client.hgetall(self._key("job", job_id)))
        if "spec" not in fields:  # none, or the record of a batch
            raise self._not_found(job_id)
        return job_of(job_id, fields)

    def _not_found(self, job_id: str) -> JobNotFound:
        with translated():
            tomb = self.client.get(self._key("tomb", job_id))
        if tomb is None:
            return JobNotFound(f"There is no job {job_id!r} in the ledger; `swapline jobs list` shows those there are.")
        day = datetime.fromtimestamp(orjson.loads(tomb)["at"] / 1000, UTC)
        return JobNotFound(f"Job {job_id!r} was purged on {day:%Y-%m-%d at %H:%M} UTC; nothing of it is kept.")

    def version_of(self, record_id: str) -> int | None:
        """The version of a job, or of a batch by its record's id; None where there is none."""
        with translated():
            found = self.client.hget(self._key("job", record_id), "version")
        return None if found is None else int(found)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first; empty for a job that is not there."""
        with translated():
            lines = self.client.lrange(self._key("log", job_id), 0, -1)
        return [JobEvent.model_validate_json(line) for line in lines]

    def due_at(self, job_id: str) -> int | None:
        """When something must happen to a job next, in milliseconds; None for one that is at rest."""
        with translated():
            moment = self.client.zscore(self._key("due"), job_id)
        return None if moment is None else round(moment)

    def overdue(self) -> float:
        """Seconds that what is due longest is late; 0 where nothing is."""
        with translated():
            first = self._moments("due", 0, 0)
        return max(0.0, max(self._ages(first), default=0.0))

    def clocks(self) -> list[float]:
        """For each worker process that was heard of in the last minute, how many seconds ago."""
        with translated():
            return self._ages(self._moments("clocks", 0, -1))

    def _moments(self, index: str, first: int, last: int) -> list[float]:
        found = cast("list[tuple[str, float]]", self.client.zrange(self._key(index), first, last, withscores=True))
        return [at for _, at in found]

    def _ages(self, moments: list[float]) -> list[float]:
        """Seconds since each of these milliseconds."""
        seconds, micros = self.client.time()
        now = self._clock() if self._clock else seconds * 1000 + micros // 1000
        return [(now - at) / 1000 for at in moments]

    def list_ids(self, state: State, *, limit: int = 50, offset: int = 0) -> list[str]:
        """The ids of the jobs in a state, those that came into it last first."""
        with translated():
            return cast("list[str]", self.client.zrevrange(self._key("state", state), offset, offset + limit - 1))

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Read several jobs in one round trip; those that are gone are left out."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(self._key("job", job_id))
            found = pipe.execute()
        return [job_of(job_id, fields) for job_id, fields in zip(job_ids, found, strict=True) if "spec" in fields]

    def front(self, number: int) -> list[ImageRef]:
        """The pictures of the jobs that will probably be given the next slots, at most `number`."""
        records = listed(self._run("front", number=number)["records"])
        specs = [whole(dict(zip(flat[::2], flat[1::2], strict=True))) for flat in records if flat]
        return [_IMAGE.validate_python(orjson.loads(spec)["image"]) for spec in specs]

    def census(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(self._key("state", state))
            return dict(zip(State, pipe.execute(), strict=True))

    def counters(self) -> dict[str, int]:
        """The counters of the whole system."""
        with translated():
            counts = cast("dict[str, str]", self.client.hgetall(self._key("count")))
        return {name: int(value) for name, value in counts.items()}

    def histograms(self, names: Sequence[str]) -> list[dict[int, float]]:
        """Read histograms of service times in one round trip: bucket -> weight, empty where there is none."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._key("hist", name))
            found = pipe.execute()
        return [{int(bucket): float(share) for bucket, share in one.items() if bucket.isdigit()} for one in found]
