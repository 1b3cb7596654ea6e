from __future__ import annotations

from support.jobs.fakes import job
from support.jobs.publishers import RecordingPublisher
from swapline_producer.contract import State, Step, StepMessage
from swapline_workers.runtime.session.dispatch import Dispatch


def test_the_next_step_is_sent_for_the_version_that_the_job_has_now() -> None:
    publisher = RecordingPublisher()
    Dispatch(publisher, lambda _: None).send(Step.FINALIZE, job(State.STORING))
    assert publisher.messages == [StepMessage(step=Step.FINALIZE, job_id="0" * 32, version=7)]


def test_the_due_dispatcher_wakes_up_at_each_moment_there_is() -> None:
    timestamps: list[int] = []
    Dispatch(RecordingPublisher(), timestamps.append).wake_up_at(5, None, 7)
    assert timestamps == [5, 7]
