from __future__ import annotations

from swapline_producer.contract import FINISHED, State
from swapline_producer.contract.transitions import TABLE, allows


def test_every_state_can_be_reached_from_queued() -> None:
    reached, border = {State.QUEUED}, {State.QUEUED}
    while border:
        border = {arrow.target for arrow in TABLE if arrow.source in border} - reached
        reached |= border
    assert reached == set(State)


def test_only_a_person_takes_a_job_out_of_a_finished_state() -> None:
    leaving = [arrow for arrow in TABLE if arrow.source in FINISHED and arrow.target is not arrow.source]
    assert {arrow.target for arrow in leaving} == {State.QUEUED, State.STORING}
    assert [arrow for arrow in leaving if not arrow.when.startswith("a person ")] == []


def test_every_unfinished_state_leads_to_an_end() -> None:
    ends = set(FINISHED)
    for _ in State:
        ends |= {arrow.source for arrow in TABLE if arrow.target in ends}
    assert ends == set(State)


def test_no_change_has_the_same_arrow_twice() -> None:
    arrows = [(arrow.source, arrow.target, arrow.name) for arrow in TABLE]
    assert len(arrows) == len(set(arrows))


def test_a_paid_job_never_goes_back_to_the_line_by_itself() -> None:
    assert not any(allows(source, State.QUEUED) for source in (State.RUNNING, State.STORING, State.SUCCEEDED))
