"""Read jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import orjson
from pydantic import TypeAdapter

from swapline_producer.contract import ImageRef, Job, JobEvent, State
from swapline_producer.errors import JobNotFound, UnreadableRecord
from swapline_producer.ledger.jobs.record import job_of, whole_spec
from swapline_producer.ledger.scripts import LedgerPart, listed, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

_IMAGE: TypeAdapter[ImageRef] = TypeAdapter(ImageRef)


class Jobs(LedgerPart):
    """Reads of jobs."""

    def get(self, job_id: str) -> Job:
        """Read one job. Raises JobNotFound."""
        with translated():
            fields = cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("job", job_id)))
        if "spec" not in fields:  # none, or the record of a batch
            raise self._not_found(job_id)
        return job_of(job_id, fields)

    def _not_found(self, job_id: str) -> JobNotFound:
        with translated():
            tomb = self._scripts.client.get(self._scripts.key("tomb", job_id))
        if tomb is None:
            return JobNotFound(f"There is no job {job_id!r} in the ledger; `swapline jobs list` shows those there are.")
        day = datetime.fromtimestamp(orjson.loads(tomb)["at"] / 1000, UTC)
        return JobNotFound(f"Job {job_id!r} was purged on {day:%Y-%m-%d at %H:%M} UTC; nothing of it is kept.")

    def version_of(self, record_id: str) -> int | None:
        """Return the version of a job or batch, or None."""
        with translated():
            found = self._scripts.client.hget(self._scripts.key("job", record_id), "version")
        return None if found is None else int(found)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first; empty for an unknown job."""
        with translated():
            lines = self._scripts.client.lrange(self._scripts.key("log", job_id), 0, -1)
        return [JobEvent.model_validate_json(line) for line in lines]

    def get_with_events(self, job_id: str) -> tuple[Job, list[JobEvent]]:
        """Read a job and its log as of one moment. Raises JobNotFound."""
        with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._scripts.key("job", job_id))
            pipe.lrange(self._scripts.key("log", job_id), 0, -1)
            fields, lines = pipe.execute()
        if "spec" not in fields:
            raise self._not_found(job_id)
        return job_of(job_id, fields), [JobEvent.model_validate_json(line) for line in lines]

    def due_at(self, job_id: str) -> int | None:
        """Return when a job is due (milliseconds), or None."""
        with translated():
            due_at = self._scripts.client.zscore(self._scripts.key("due"), job_id)
        return None if due_at is None else round(due_at)

    def list_ids(self, state: State, *, limit: int = 50) -> list[str]:
        """Return ids of jobs in a state, the last to enter first."""
        with translated():
            found = self._scripts.client.zrevrange(self._scripts.key("state", state), 0, limit - 1)
        return cast("list[str]", found)

    def get_many(self, job_ids: Sequence[str], unreadable: list[UnreadableRecord] | None = None) -> list[Job]:
        """Read several jobs in one round trip, without those gone.

        `unreadable` gets each unreadable record's error; without it the first is raised.
        """
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(self._scripts.key("job", job_id))
            found = pipe.execute()
        jobs = []
        for job_id, fields in zip(job_ids, found, strict=True):
            try:
                jobs += [job_of(job_id, fields)] if "spec" in fields else []
            except UnreadableRecord as error:
                if unreadable is None:
                    raise
                unreadable.append(error)
        return jobs

    def next_inputs(self, number: int) -> list[ImageRef]:
        """Return the inputs of the next jobs."""
        records = listed(self._scripts.run("next_inputs", number=number)["records"])
        specs = [whole_spec(dict(zip(flat[::2], flat[1::2], strict=True))) for flat in records if flat]
        return [_IMAGE.validate_python(orjson.loads(spec)["image"]) for spec in specs]
