from __future__ import annotations

import pytest

from support.jobs.fakes import AT, FakeSession, FakeStatusReply, FakeTimes, FakeVendor, World, job
from support.pictures.pngs import grey_png
from swapline_producer.contract import Gender, State
from swapline_producer.contract.jobs.service_times import EVERY_KIND
from swapline_workers import errors
from swapline_workers.core.outcomes import Again
from swapline_workers.core.schedule.histogram import Histogram, bucket_of, observed
from swapline_workers.core.schedule.polling import Bounds, next_wait
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.poll import poll
from swapline_workers.steps.submit import submit

KNOWN = Histogram({bucket_of(seconds): 30.0 for seconds in (5, 6, 7, 8, 9, 10, 12, 14)})
USUAL = Bounds(0.25, 20.0)


def knowing(reply: FakeStatusReply | Exception, **parts: object) -> World:
    return World(vendor=FakeVendor(seen=reply), times=FakeTimes(KNOWN), **parts)  # type: ignore[arg-type]


def test_the_first_poll_is_where_jobs_of_its_kind_begin_to_get_done() -> None:
    world = World(times=FakeTimes(KNOWN))
    submit(job(State.SUBMITTING), AT, world.ports)
    assert world.session.last.due_in == next_wait(0, KNOWN, USUAL)
    assert world.session.last.due_in > 3


def test_the_next_poll_goes_by_how_long_ago_the_job_was_submitted() -> None:
    world = knowing(FakeStatusReply("IN_PROGRESS"))
    outcome = poll(job(State.RUNNING, polls=1, submitted_at=AT - 6_000), AT, world.ports)
    assert outcome == Again(next_wait(6, KNOWN, USUAL), "the vendor says IN_PROGRESS")


def test_a_poll_is_later_when_nobody_waits_for_the_slot() -> None:
    world = knowing(FakeStatusReply("IN_PROGRESS"), session=FakeSession(waiting=False))
    outcome = poll(job(State.RUNNING, submitted_at=AT - 6_000), AT, world.ports)
    assert isinstance(outcome, Again)
    assert outcome.wait == next_wait(6, KNOWN, USUAL, waited_for=False) > next_wait(6, KNOWN, USUAL)


@pytest.mark.parametrize("rng", [0.0, 0.5, 1.0])
def test_thousands_that_came_at_once_are_not_polled_at_once(rng: float) -> None:
    crowd = knowing(FakeStatusReply("IN_PROGRESS"), session=FakeSession(flying=5000), rng=rng)
    submit(job(State.SUBMITTING), AT, crowd.ports)
    assert crowd.session.last.due_in == pytest.approx(20 - 19 * rng)
    outcome = poll(job(State.RUNNING, submitted_at=AT - 6_000), AT, crowd.ports)
    assert isinstance(outcome, Again)
    assert outcome.wait == pytest.approx(20 - 2 * rng)


def test_polls_that_find_out_nothing_come_ever_less_often() -> None:
    waits = []
    for silent in range(0, 20, 4):
        outcome = poll(job(State.RUNNING, silent=silent), AT, knowing(errors.Unclear("cut")).ports)
        assert isinstance(outcome, Again)
        waits.append(outcome.wait)
    assert waits == sorted(waits)
    assert waits[-1] == 20


def test_a_single_poll_that_finds_out_nothing_changes_nothing_about_the_next() -> None:
    quiet = job(State.RUNNING, submitted_at=AT - 6_000)
    outcome = poll(quiet, AT, knowing(errors.Unclear("cut")).ports)
    assert outcome == Again(next_wait(6, KNOWN, USUAL), "cut")


def test_a_poll_counts_as_silent_until_one_brings_news() -> None:
    world = knowing(errors.Unclear("cut"))
    poll(job(State.RUNNING, silent=2), AT, world.ports)
    assert world.session.last.fields["silent"] == 3
    world = knowing(FakeStatusReply("IN_PROGRESS"))
    poll(job(State.RUNNING, silent=3), AT, world.ports)
    assert world.session.last.fields["silent"] == 0
    assert world.session.last.stamps == {"polled_at": 0}


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_a_job_that_is_done_teaches_its_kind_and_all_kinds(status: str) -> None:
    world = knowing(FakeStatusReply(status, [grey_png()]))
    done = job(State.RUNNING, submitted_at=AT - 8_000, polled_at=AT - 1_000)
    poll(done, AT, world.ports)
    assert world.session.changes[0].observe == {"v6:-:single:-": observed(7, 8), EVERY_KIND: observed(7, 8)}


def test_a_kind_is_what_the_vendors_time_may_depend_on() -> None:
    world = knowing(FakeStatusReply("IN_PROGRESS"))
    spec = job().spec.model_copy(update={"gender": Gender.GROUP, "quality_mode": "v6.1", "ratio": "square"})
    poll(job(State.RUNNING).model_copy(update={"spec": spec}), AT, world.ports)
    assert world.times.asked == ["v6:v6.1:group:square"]


def test_a_held_poll_knows_when_the_job_was_done() -> None:
    world = knowing(FakeStatusReply("COMPLETED", [grey_png()], answered_after=4.0))
    poll(job(State.RUNNING, submitted_at=AT - 8_000), AT, world.ports)
    assert world.session.changes[0].observe[EVERY_KIND] == {bucket_of(8): 1.0}


@pytest.mark.parametrize("values", [{"silent": 1}, {"submitted_at": AT - 31_000}])
def test_nothing_is_learned_from_a_poll_that_came_much_too_late(values: dict[str, int]) -> None:
    world = knowing(FakeStatusReply("COMPLETED", [grey_png()]))
    poll(job(State.RUNNING).model_copy(update=values), AT, world.ports)
    assert world.session.changes[0].observe == {}


def test_reading_the_pictures_again_teaches_nothing() -> None:
    for status in ("COMPLETED", "FAILED"):
        world = knowing(FakeStatusReply(status, [grey_png()]))
        finalize(job(State.STORING), AT, world.ports)
        assert [change.observe for change in world.session.changes] == [{}]
