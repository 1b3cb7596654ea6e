"""Steps ignore revocation in every pool: all polls of a job share one task id, and a revoked id is kept for hours."""

from __future__ import annotations

import pickle
import shelve
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from celery.utils.collections import LimitedSet

from support.celery.apps import answer, celery_of
from support.jobs.factories import PHOTOGRAPH
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State, Step

if TYPE_CHECKING:
    from support.programs.installation import Installation


def enqueue(installation: Installation) -> str:
    return installation.producer().enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id


@pytest.mark.parametrize("command", ["revoke", "terminate"])
def test_a_job_whose_task_ids_are_revoked_ends_as_any_other(
    installation: Installation, every_way: tuple[str, str], command: str
) -> None:
    installation.vendor.control.change(service_time="fixed:3600")
    with installation.worker() as worker, celery_of(installation) as app:
        assert worker.way == every_way
        job_id = enqueue(installation)
        waited_for(lambda: installation.producer().get(job_id).polls > 0)
        arguments: dict[str, Any] = {"task_id": [step.task_id(job_id) for step in Step]}
        arguments |= {"signal": "SIGKILL"} if command == "terminate" else {}
        reply = answer(app, command, **arguments)
        installation.vendor.control.finish()
        job = installation.producer().wait(job_id, timeout=60)
    sentence = "cancel the job with `swapline jobs cancel"
    assert sentence in reply["error"]
    assert (job.state, job.attempts, sentence in worker.log()) == (State.SUCCEEDED, 1, True)
    assert "Discarding" not in worker.log()
    assert "Traceback" not in worker.log()


def test_ids_that_were_revoked_before_are_ignored(installation: Installation, every_way: tuple[str, str]) -> None:
    """Another program may have filled the set: a state file, or an older worker that is asked at the start."""
    job_id = enqueue(installation)
    statedb = str(installation.store.parent / "state.db")
    ids = LimitedSet(maxlen=10, expires=10_800)
    ids.update([step.task_id(job_id) for step in Step])
    with shelve.open(statedb, protocol=2) as file:  # noqa: S301 -- as a worker writes it
        file["zrevoked"] = zlib.compress(pickle.dumps(ids, protocol=2))
    with installation.celery_worker("-P", installation.pool, "--statedb", statedb) as worker:
        assert worker.way == every_way
        with celery_of(installation) as app:
            found = answer(app, "revoked")
        job = installation.producer().wait(job_id, timeout=60)
    assert (len(found), job.state, job.attempts) == (4, State.SUCCEEDED, 1)
