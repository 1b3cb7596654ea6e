"""A little of many jobs: what summaries, purges and dry runs need, without reading a hundred thousand jobs whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from swapline_producer.contract import Notification, State
from swapline_producer.contract.replay_facts import ReplayFacts
from swapline_producer.ledger.scripts import LedgerCore, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 400
"""Records of one call: one to two milliseconds of the server's time, as in scanning.py."""

Row = list[Any]
"""A field each, as text; False for one that is not there."""


class Weight(NamedTuple):
    """The little of a job that tells how much goes with it; `pictures` are those in object storage."""

    state: State
    notification: Notification
    pictures: int


class Glancing(LedgerCore):
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

    def replay_facts(self, job_ids: Sequence[str], *, whole: bool = False) -> Iterator[ReplayFacts]:
        """What decides whether several jobs can be run again; those that are gone are left out.

        `whole`: with their requests, which must be put together, to see whether somebody is to be told.
        """
        rows = self._glance(job_ids, "state", "vendor_job_id", "canceling", "replayed", spec=whole)
        for job_id, (state, vendor_job_id, canceling, replayed, *request) in zip(job_ids, rows, strict=True):
            if state:
                listens = bool(request and request[0] and orjson.loads(request[0]).get("webhook_url"))
                yield ReplayFacts(
                    job_id, State(state), vendor_job_id or None, bool(canceling), replayed or "", listens=listens
                )

    def superseded(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Which of these jobs have lost their idempotency key to another, and to which."""
        rows = zip(job_ids, self._glance(job_ids, holder=True), strict=True)
        return {job_id: holder for job_id, [holder] in rows if holder and holder != job_id}

    def _glance(self, job_ids: Sequence[str], *fields: str, **more: bool) -> Iterator[Row]:
        for start in range(0, len(job_ids), CHUNK):
            answer = self._run("glance", ids=job_ids[start : start + CHUNK], fields=fields, **more)
            yield from listed(answer["rows"])
