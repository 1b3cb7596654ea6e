"""A worker has pictures of so many jobs in memory, and of no more, however long the store takes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from support.fakes import FakeStatusReply, World, job, png
from swapline_producer.contract import State
from swapline_producer.testing import memory_storage
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.outcomes import Again, Next
from swapline_workers.steps.collect import ROOM_AGAIN, collect
from swapline_workers.steps.finalize import finalize

PICTURE = png(12, 18)


class Counted(FakeStatusReply):
    """A look that knows how many pictures have been read off the wire."""

    read = 0

    def pictures(self) -> list[bytes]:
        Counted.read += 1
        return super().pictures()


class SlowStore(PictureStore):
    """A store in which nothing is written before it is told to go on."""

    def __init__(self, in_hand: int) -> None:
        super().__init__(memory_storage(), in_hand=in_hand)
        self.begun = threading.Semaphore(0)
        self.may_go = threading.Event()

    def stage(self, job: object, pictures: list[bytes]) -> None:
        self.begun.release()
        assert self.may_go.wait(30)
        super().stage(job, pictures)  # type: ignore[arg-type]  # it is a Job; the parts of this fake need not know


def test_no_more_pictures_are_read_than_there_is_room_for_and_the_others_wait_in_storing() -> None:
    Counted.read = 0
    world, store = World(), SlowStore(in_hand=2)
    ports = replace(world.ports, pictures=store)
    jobs = [job(State.RUNNING, job_id=f"{number:032}") for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        first = [threads.submit(collect, one, Counted("COMPLETED", [PICTURE]), ports) for one in jobs[:2]]
        assert all(store.begun.acquire(timeout=30) for _ in first)
        waiting = [collect(one, Counted("COMPLETED", [PICTURE]), ports) for one in jobs[2:]]
        assert [(type(one), Counted.read) for one in waiting] == [(Again, 2)] * 2
        assert (world.session.last.to, world.session.last.due_in) == (State.STORING, ROOM_AGAIN)
        assert world.session.last.fields == {}  # waiting is not failing: no try is counted
        store.may_go.set()
        assert [type(one.result()) for one in first] == [Next, Next]
    assert isinstance(collect(jobs[2], Counted("COMPLETED", [PICTURE]), ports), Next)


def test_the_slot_is_passed_on_before_there_is_room() -> None:
    world = World()
    world.pictures.full = True
    collect(job(State.RUNNING), FakeStatusReply("COMPLETED", [PICTURE]), world.ports)
    assert [change.to for change in world.session.changes] == [State.STORING, State.STORING]


def test_finalize_waits_for_room_as_well() -> None:
    world = World()
    world.pictures.full = True
    outcome = finalize(job(State.STORING, staged=1), 0, world.ports)
    assert isinstance(outcome, Again)
    assert world.pictures.objects == {}


def test_room_is_given_back_when_the_work_fails() -> None:
    store = PictureStore(memory_storage(), in_hand=1)
    for _ in range(3):
        with suppress(ZeroDivisionError), store.room() as there_is:
            assert there_is
            raise ZeroDivisionError
    with store.room() as first, store.room() as second:
        assert (first, second) == (True, False)
    with store.room() as third:
        assert third
