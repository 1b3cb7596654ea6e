"""A few fields of many jobs, without reading whole records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from swapline_producer.contract import Notification, State, Step
from swapline_producer.contract.jobs.replay_facts import ReplayFacts
from swapline_producer.ledger.scripts import LedgerPart, listed, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CHUNK = 400
"""Records of one call: 1 to 2 ms of the server's time."""

Row = list[Any]
"""One field each, as text; False for a missing one."""


class Weight(NamedTuple):
    """What a purge counts of a job."""

    state: State
    notification: Notification
    pictures: int


class Summaries(LedgerPart):
    """Reads of a few fields of many jobs."""

    def outlines(self, job_ids: Sequence[str]) -> list[tuple[str | None, str | None, str | None]]:
        """Return state, failure code and credits of several jobs."""
        return [
            (state or None, code or None, spent or None)
            for state, code, spent in self._rows(job_ids, "state", "failure_code", "credits")
        ]

    def weigh(self, job_ids: Sequence[str]) -> list[Weight | None]:
        """Return what a purge counts of several jobs, or None."""
        return [
            Weight(State(state), Notification(notification or "NONE"), len(orjson.loads(images)) if images else 0)
            if state
            else None
            for state, notification, images in self._rows(job_ids, "state", "notification", "images")
        ]

    def replay_facts(self, job_ids: Sequence[str], step: Step) -> Iterator[ReplayFacts]:
        """Yield what decides about replays, without jobs that are gone."""
        whole = step in {Step.SUBMIT, Step.NOTIFY}
        rows = list(self._rows(job_ids, "state", "vendor_job_id", "canceling", "replayed", spec=whole))
        requests = [orjson.loads(row[4]) if row[4:] and row[4] else {} for row in rows]
        gone = self._gone_inputs(zip(job_ids, requests, strict=True)) if step is Step.SUBMIT else set()
        for job_id, row, request in zip(job_ids, rows, requests, strict=True):
            state, vendor_job_id, canceling, replayed, *_ = row
            if state:
                yield ReplayFacts(
                    job_id,
                    State(state),
                    vendor_job_id or None,
                    bool(canceling),
                    replayed or "",
                    listens=bool(request.get("webhook_url")),
                    holds_input=job_id not in gone or not State(state).finished,
                )

    def _gone_inputs(self, requests: Iterable[tuple[str, dict[str, Any]]]) -> set[str]:
        images = {job_id: request["image"] for job_id, request in requests if request}
        stored = {job_id: image["sha256"] for job_id, image in images.items() if image["kind"] == "stored"}
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id, sha in stored.items():
                pipe.zscore(self._scripts.key("unneeded"), f"hold/{sha}/{job_id}")
            return {job_id for job_id, hold in zip(stored, pipe.execute(), strict=True) if hold is None}

    def superseded(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return which jobs lost their idempotency key, and to whom."""
        rows = zip(job_ids, self._rows(job_ids, holder=True), strict=True)
        return {job_id: holder for job_id, [holder] in rows if holder and holder != job_id}

    def _rows(self, job_ids: Sequence[str], *fields: str, **more: bool) -> Iterator[Row]:
        for start in range(0, len(job_ids), CHUNK):
            answer = self._scripts.run("outlines", ids=job_ids[start : start + CHUNK], fields=fields, **more)
            yield from listed(answer["rows"])
