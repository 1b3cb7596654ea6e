"""A worker has pictures of a limited number of jobs in memory, however long the store takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence  # noqa: TC003 -- beside its use
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from support.jobs.fakes import AT, FakePictures, FakeStatusReply, FakeVendor, World, job
from support.pictures.pngs import grey_png
from swapline_producer.contract import Job, State
from swapline_workers.core.outcomes import Again, Next, Stop
from swapline_workers.core.picture_memory import Picture, PictureMemory
from swapline_workers.steps.collect import read
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.poll import poll
from swapline_workers.steps.storing import MEMORY_RETRY_S

PICTURE = grey_png(12, 18)
KEPT_FOR = 15.0


class Steady:
    """Seconds that only a test moves."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


def memory(places: int, clock: Steady | None = None) -> PictureMemory:
    return PictureMemory(places, kept_for=KEPT_FOR, clock=clock or Steady())


def read_of(one: Job) -> tuple[Picture, ...]:
    return read(one, FakeStatusReply("COMPLETED", [PICTURE]))


class Counted(FakeStatusReply):
    """A status reply that knows how many pictures have been read off the wire."""

    read = 0

    def pictures(self) -> list[bytes]:
        Counted.read += 1
        return super().pictures()


class SlowStore(FakePictures):
    """A store in which nothing is written before the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.may_go = threading.Event()

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        self.begun.release()
        assert self.may_go.wait(30)
        super().store(job, pictures)


def test_no_more_pictures_are_read_than_there_is_room_for_and_the_others_wait_in_storing() -> None:
    Counted.read = 0
    store = SlowStore()
    world = World(pictures=store, memory=memory(2), vendor=FakeVendor(seen=Counted("COMPLETED", [PICTURE])))
    jobs = [job(State.STORING, job_id=f"{number:032}") for number in range(4)]
    with ThreadPoolExecutor(2) as threads:
        first = [threads.submit(finalize, one, AT, world.ports) for one in jobs[:2]]
        assert all(store.begun.acquire(timeout=30) for _ in first)
        waiting = [finalize(one, AT, world.ports) for one in jobs[2:]]
        waiting.append(poll(job(State.RUNNING), AT, world.ports))
        assert [(type(one), Counted.read) for one in waiting] == [(Again, 2)] * 3
        assert (world.session.last.to, world.session.last.due_in) == (State.STORING, MEMORY_RETRY_S)
        assert world.session.last.fields == {}  # waiting is not failing: no try is counted
        store.may_go.set()
        assert [one.result() for one in first] == [Stop("SUCCEEDED")] * 2
    assert finalize(jobs[2], AT, world.ports) == Stop("SUCCEEDED")


def test_the_slot_is_passed_on_before_there_is_room() -> None:
    world = World(memory=memory(1), vendor=FakeVendor(seen=FakeStatusReply("COMPLETED", [PICTURE])))
    with world.memory.place(job(job_id="other")):
        poll(job(State.RUNNING), AT, world.ports)
    assert [change.to for change in world.session.changes] == [State.STORING, State.STORING]


def test_pictures_that_wait_for_their_next_step_take_room_until_nobody_will_come_for_them() -> None:
    clock = Steady()
    kept = memory(1, clock)
    first, second = job(State.STORING), job(State.STORING, job_id="1" * 32)
    with kept.place(first) as place:
        assert place
        place.keep(first, read_of(first), waits=8.0)
    with kept.place(second) as none:
        assert none is None
    clock.at = 8.0 + KEPT_FOR
    assert not kept.has(first)
    with kept.place(second) as there_is:
        assert there_is
    with kept.place(first) as again:
        assert again
        assert again.pictures == ()


def test_a_place_is_for_the_very_job_submission_and_version_that_were_read() -> None:
    mine = job(State.STORING)
    for other in ({"version": 8}, {"vendor_job_id": "another"}):
        kept = memory(1)
        with kept.place(mine) as place:
            assert place
            place.keep(mine, read_of(mine))
        assert kept.has(mine)
        stranger = mine.model_copy(update=other)
        assert not kept.has(stranger)
        with kept.place(stranger) as given:
            assert given
            assert given.pictures == ()
        assert not kept.has(mine)  # the job has moved on: no step comes for these any more


def test_room_is_released_when_the_work_fails_and_what_was_read_waits_for_another_try() -> None:
    kept, one = memory(1), job(State.STORING)
    for _ in range(3):
        with suppress(ZeroDivisionError), kept.place(one) as place:
            assert place
            raise ZeroDivisionError
    with kept.place(one) as place:
        assert place
        place.keep(one, read_of(one))
    with suppress(ZeroDivisionError), kept.place(one):
        raise ZeroDivisionError
    assert kept.has(one)
    with kept.place(one) as place:
        assert place
        assert place.pictures == read_of(one)
    with kept.place(one) as first, kept.place(job(job_id="other")) as second:
        assert (first is None, second is None) == (False, True)


def test_two_threads_with_one_job_leave_one_place() -> None:
    kept, one = memory(2), job(State.STORING)
    with kept.place(one) as first, kept.place(one) as second:
        assert first
        assert second
        first.keep(one, read_of(one))
        second.keep(one, read_of(one))
    with kept.place(job(job_id="other")) as other:
        assert other


def test_a_job_goes_through_a_memory_of_one_place_in_two_steps() -> None:
    world = World(memory=memory(1), vendor=FakeVendor(seen=FakeStatusReply("COMPLETED", [PICTURE])))
    for number in range(3):
        outcome = poll(job(State.RUNNING, job_id=f"{number:032}"), AT, world.ports)
        assert isinstance(outcome, Next)
        assert finalize(outcome.job, AT, world.ports) == Stop("SUCCEEDED")
