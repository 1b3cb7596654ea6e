"""A little of many jobs: what summaries, purges and dry runs need, without reading a hundred thousand jobs whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from swapline_producer.contract import Notification, State, Step
from swapline_producer.contract.replay_facts import ReplayFacts
from swapline_producer.ledger.scripts import LedgerPart, listed, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CHUNK = 400
"""Records of one call: one to two milliseconds of the server's time, as in scanning.py."""

Row = list[Any]
"""A field each, as text; False for one that is not there."""


class Weight(NamedTuple):
    """The little of a job that tells how much goes with it; `pictures` are those in object storage."""

    state: State
    notification: Notification
    pictures: int


class Summaries(LedgerPart):
    """Looks at a few fields of many jobs."""

    def outlines(self, job_ids: Sequence[str]) -> list[tuple[str | None, str | None, str | None]]:
        """State, failure code and credits of several jobs; None for what is not there."""
        return [
            (state or None, code or None, spent or None)
            for state, code, spent in self._glance(job_ids, "state", "failure_code", "credits")
        ]

    def weigh(self, job_ids: Sequence[str]) -> list[Weight | None]:
        """What a purge would count of several jobs; None for those that are gone."""
        return [
            Weight(State(state), Notification(told or "NONE"), len(orjson.loads(images)) if images else 0)
            if state
            else None
            for state, told, images in self._glance(job_ids, "state", "notification", "images")
        ]

    def replay_facts(self, job_ids: Sequence[str], step: Step) -> Iterator[ReplayFacts]:
        """What decides whether several jobs can be run again from a step; those that are gone are left out.

        Requests must be put together, so they are read only where the step asks for what they say.
        """
        whole = step in {Step.SUBMIT, Step.NOTIFY}
        rows = list(self._glance(job_ids, "state", "vendor_job_id", "canceling", "replayed", spec=whole))
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
        """The jobs whose stored input nothing holds for them, as it is of those that have ended long ago."""
        images = {job_id: request["image"] for job_id, request in requests if request}
        stored = {job_id: image["sha256"] for job_id, image in images.items() if image["kind"] == "stored"}
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id, sha in stored.items():
                pipe.zscore(self._scripts.key("unneeded"), f"hold/{sha}/{job_id}")
            return {job_id for job_id, hold in zip(stored, pipe.execute(), strict=True) if hold is None}

    def superseded(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Which of these jobs have lost their idempotency key to another, and to which."""
        rows = zip(job_ids, self._glance(job_ids, holder=True), strict=True)
        return {job_id: holder for job_id, [holder] in rows if holder and holder != job_id}

    def _glance(self, job_ids: Sequence[str], *fields: str, **more: bool) -> Iterator[Row]:
        for start in range(0, len(job_ids), CHUNK):
            answer = self._scripts.run("glance", ids=job_ids[start : start + CHUNK], fields=fields, **more)
            yield from listed(answer["rows"])
