"""What a worker's change becomes where the job is to be canceled."""

from __future__ import annotations

from typing import Any

import pytest

from support.jobs.fakes import AT, FakeVendor, World, job
from swapline_producer.contract import Canceling, FailureCode, Job, Notification, State
from swapline_producer.contract.changes import Change
from swapline_producer.contract.transitions import allows, canceled_instead
from swapline_workers.core.outcomes import Stop
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.submit import submit


def canceling(state: State, how: Canceling = Canceling.DROP, **values: Any) -> Job:
    return job(state, canceling=how, **values)


@pytest.mark.parametrize("to", [State.FAILED, State.TIMED_OUT])
def test_any_other_end_is_canceled(to: State) -> None:
    ending = Change(to=to, fields={"failure_detail": "why"}, count={f"finished.{to}": 1, "failed.X": 1, "polls": 1})
    instead = canceled_instead(canceling(State.RUNNING), ending)
    assert (instead.to, instead.fields["failure_code"]) == (State.CANCELED, FailureCode.CANCELED)
    assert instead.fields["failure_detail"] == f"canceled; it would have been {to}: why"
    assert instead.count == {"polls": 1, "finished.CANCELED": 1, "failed.CANCELED": 1}
    assert instead.data["instead_of"] == to


def test_a_job_that_was_not_sent_does_not_go_back_into_the_line() -> None:
    back = Change(to=State.QUEUED, in_line=True, due_by="queue_until", refund=True)
    instead = canceled_instead(canceling(State.SUBMITTING, webhook_url="https://shop.example/hook"), back)
    assert (instead.to, instead.in_line, instead.due_by, instead.due_in) == (State.CANCELED, False, None, 0)
    assert instead.refund
    assert instead.fields["notification"] is Notification.PENDING
    assert instead.fields["failure_detail"] == "canceled; it was not charged"


def test_the_vendors_id_is_written_all_the_same() -> None:
    change = Change(to=State.RUNNING, fields={"vendor_job_id": "v"}, due_in=1)
    assert canceled_instead(canceling(State.SUBMITTING), change) is change


def test_an_unknown_reply_holds_the_slot_all_the_same() -> None:
    change = Change(to=State.HELD, due_by="run_until")
    assert canceled_instead(canceling(State.SUBMITTING), change) is change


def test_a_result_that_is_to_be_dropped_is_not_fetched() -> None:
    completed = Change(to=State.STORING, fields={"polls": 2}, due_in=15)
    instead = canceled_instead(canceling(State.RUNNING), completed)
    assert (instead.to, instead.due_in, instead.fields["polls"]) == (State.CANCELED, None, 2)


def test_a_result_that_is_kept_is_stored_and_ends_canceled() -> None:
    kept = canceling(State.RUNNING, Canceling.KEEP)
    completed = Change(to=State.STORING, due_in=15)
    assert canceled_instead(kept, completed) is completed
    stored = canceled_instead(
        canceling(State.STORING, Canceling.KEEP), Change(to=State.SUCCEEDED, fields={"images": ()})
    )
    assert (stored.to, stored.fields["images"]) == (State.CANCELED, ())
    assert stored.fields["failure_detail"] == "canceled; its result was kept"


def test_a_result_stored_at_the_time_it_was_dropped_goes_round_once_more() -> None:
    instead = canceled_instead(canceling(State.STORING), Change(to=State.SUCCEEDED, fields={"images": ()}))
    assert instead == Change(to=State.STORING, due_in=0)


def test_a_job_that_has_ended_or_is_not_canceled_is_left_alone() -> None:
    delivered = Change(to=State.CANCELED, fields={"notification": Notification.DELIVERED})
    assert canceled_instead(canceling(State.CANCELED), delivered) is delivered
    failed = Change(to=State.FAILED)
    assert canceled_instead(job(State.RUNNING), failed) is failed


@pytest.mark.parametrize("how", list(Canceling))
@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("target", list(State))
def test_what_is_written_instead_is_in_the_table(source: State, target: State, how: Canceling) -> None:
    restored = target is State.SUCCEEDED and source is not State.STORING  # no worker does that: see after-restore
    if allows(source, target) and source is not State.QUEUED and not restored:  # a queued job is canceled at once
        assert allows(source, canceled_instead(canceling(source, how), Change(to=target)).to)


def test_a_completed_job_whose_result_is_not_wanted_ends_without_the_vendor_and_the_store() -> None:
    world = World(vendor=FakeVendor(seen=AssertionError("must not be asked")))
    assert finalize(canceling(State.STORING), AT, world.ports) == Stop("CANCELED")
    assert world.session.last.fields["failure_code"] is FailureCode.CANCELED
    assert world.pictures.objects == {}


def test_a_held_job_ends_when_its_slot_is_free() -> None:
    world = World()
    assert submit(canceling(State.HELD, slot=False), AT, world.ports) == Stop("CANCELED")
    assert isinstance(submit(canceling(State.HELD, slot=True), AT, world.ports), Stop)
    assert len(world.session.changes) == 1
