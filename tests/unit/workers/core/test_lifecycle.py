from __future__ import annotations

from swapline_producer.contract import FINISHED, State
from swapline_workers.core.lifecycle import ROUTES, TABLE, allows


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


def test_no_arrow_is_drawn_twice() -> None:
    arrows = [(arrow.source, arrow.target) for arrow in TABLE]
    assert len(arrows) == len(set(arrows))


def test_a_paid_job_never_goes_back_to_the_line_by_itself() -> None:
    assert not any(allows(source, State.QUEUED) for source in (State.RUNNING, State.STORING, State.SUCCEEDED))


def test_every_state_that_is_not_at_rest_has_a_step() -> None:
    waiting = [state for state in State if state not in FINISHED and state is not State.HELD]
    assert all(state.value in ROUTES for state in waiting)
    assert all(f"{state.value}+pending" in ROUTES for state in [*FINISHED, State.HELD])
