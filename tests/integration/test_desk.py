"""The desk over a real ledger: what it takes in hand, and how it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fakes import World
from servers import new_job
from swapline_producer.change import Change, GivenBack
from swapline_producer.contract import State, Step, Ticket
from swapline_workers.adapters.desk import LedgerDesk
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers import Time
    from swapline_producer.ledger import Ledger


class NoMail:
    def send(self, tickets: Sequence[Ticket]) -> bool:
        return tickets is not None


@pytest.fixture
def desk(ledger: Ledger) -> LedgerDesk:
    ledger.accept(new_job("a"))
    return LedgerDesk(ledger, NoMail(), nudge=lambda _: None)


def test_a_closed_desk_gives_back_what_it_is_handed(ledger: Ledger, desk: LedgerDesk) -> None:
    desk.close()
    with desk.in_hand("a", 1) as opened:
        assert opened is None
    assert ledger.claim(ROUTES).tickets == (Ticket(step=Step.SUBMIT, job_id="a", turn=2),)
    assert "rescues" not in ledger.counters()


def test_a_desk_that_closes_lets_no_paid_call_begin(ledger: Ledger, desk: LedgerDesk) -> None:
    world = World()
    ports = world.ports
    with desk.in_hand("a", 1) as opened:
        assert opened is not None
        desk.close()
        object.__setattr__(ports, "desk", desk)
        assert submit(opened.job, opened.at, ports) == STALE
    assert world.vendor.submitted == []
    assert (ledger.get("a").state, ledger.get("a").attempts) == (State.SUBMITTING, 0)
    assert [ticket.job_id for ticket in ledger.claim(ROUTES).tickets] == ["a"]


def test_what_was_given_back_cannot_be_written_by_who_had_it(desk: LedgerDesk) -> None:
    with desk.in_hand("a", 1) as opened:
        assert opened is not None
        assert desk.give_back(desk.in_hands()) == GivenBack(given_back=1)
        assert desk.line_up(opened.job) is None


def test_giving_back_twice_or_what_is_at_rest_changes_nothing(ledger: Ledger, desk: LedgerDesk) -> None:
    assert desk.give_back([("a", 1)]) == GivenBack(given_back=1)
    assert desk.give_back([("a", 1), ("nobody", 1)]) == GivenBack()
    assert ledger.get("a").turn == 2


def test_a_paid_call_under_way_is_not_given_back(ledger: Ledger, desk: LedgerDesk, time: Time) -> None:
    with desk.in_hand("a", 1) as opened:
        assert opened is not None
        lined_up = desk.line_up(opened.job)
        assert lined_up is not None
        ledger.client.hset(f"{ledger.prefix}:job:a", "attempt_open", "1")
        assert desk.give_back(desk.in_hands()) == GivenBack(paying=1)
    time.pass_(14)
    assert ledger.claim(ROUTES).tickets == ()


def test_a_message_from_before_is_not_begun_while_its_job_is_in_hand_at_a_later_turn(
    ledger: Ledger, desk: LedgerDesk
) -> None:
    """A ledger that lost its last writes sends what a living worker is just paying for."""
    with desk.in_hand("a", 1) as opened:
        assert opened is not None
        assert desk.line_up(opened.job) is not None
        ledger.client.hset(f"{ledger.prefix}:job:a", mapping={"state": "QUEUED", "turn": "1"})
        with desk.in_hand("a", 1) as again:
            assert again is None


def staged(desk: LedgerDesk, ledger: Ledger) -> int:
    """Bring the job as far as its pictures are staged; gives its turn."""
    with desk.in_hand("a", 1) as opened:
        assert opened is not None
        submitting = desk.line_up(opened.job)
        assert submitting is not None
        change = Change(to=State.RUNNING, fields={"vendor_job_id": "v"}, due_in=1, stamps={"run_until": 100})
        job = desk.advance(submitting, change)
        assert job is not None
        job = desk.advance(job, Change(to=State.STORING, due_in=15))
        assert job is not None
        assert desk.advance(job, Change(to=State.STORING, fields={"staged": 1}, due_in=15)) is not None
    return ledger.get("a").turn


def test_a_job_that_this_desk_moved_is_taken_in_hand_without_being_read_once(ledger: Ledger, desk: LedgerDesk) -> None:
    turn = staged(desk, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "vendor_status", "only in the ledger")
    with desk.in_hand("a", turn) as first:
        assert first is not None
        assert first.job.vendor_status is None
    with desk.in_hand("a", turn) as second:
        assert second is not None
        assert second.job.vendor_status == "only in the ledger"


def test_what_is_remembered_of_another_turn_is_not_used(ledger: Ledger, desk: LedgerDesk) -> None:
    turn = staged(desk, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "turn", str(turn + 1))
    with desk.in_hand("a", turn + 1) as opened:
        assert opened is not None
        assert opened.job.turn == turn + 1


def test_what_is_remembered_and_was_moved_by_another_cannot_be_written(ledger: Ledger, desk: LedgerDesk) -> None:
    turn = staged(desk, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "turn", str(turn + 1))
    with desk.in_hand("a", turn) as opened:
        assert opened is not None
        assert desk.advance(opened.job, Change(to=State.STORING, due_in=1)) is None
