from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from swapline_simulator.faults.modes import Mode
from swapline_simulator.faults.script import Cue, Direction, Directions, Script

GOOD = Cue(Mode.STATUS_OK)


def directed(*directions: Direction, seed: int = 1) -> Script:
    return Script(seed, directions)


def test_a_script_without_directions_behaves_well() -> None:
    script = directed()
    cues = [script.submission(1), script.poll("a", 1), script.result("a")]
    assert cues == [Cue(Mode.SUBMIT_OK), Cue(Mode.STATUS_OK), Cue(Mode.RESULT_OK)]


def test_a_direction_is_read_from_text_with_amount_and_share() -> None:
    assert Direction.model_validate("status_429_seconds=3@0.1") == Direction(
        mode=Mode.STATUS_429_SECONDS, amount=3, share=0.1
    )


def test_one_direction_or_many_are_read_alike() -> None:
    read = TypeAdapter[Directions](Directions).validate_python
    assert read("status_held") == read(["status_held"]) == read({"mode": "status_held"})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("status_5040", "the nearest are status_504"),
        ("status_504@0", "greater than 0"),
        ("status_drip=-1", "greater than or equal to 0"),
        ({"mode": "status_504", "job": "a", "next_submissions": 1}, "not both"),
        ({"mode": "submit_500", "job": "a"}, "submitted already"),
        ({"mode": "status_500", "picture": "0" * 64}, "submit_ mode only"),
        ({"mode": "submit_500", "picture": "me.jpg"}, "should match pattern"),
        ({"mode": "status_504", "often": 1}, "often"),
    ],
)
def test_a_wrong_direction_is_refused_with_a_sentence(wrong: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Direction.model_validate(wrong)


def test_a_mode_without_an_amount_takes_that_of_the_table() -> None:
    script = directed(Direction(mode=Mode.STATUS_404_THEN_FOUND))
    assert script.poll("a", 1) == Cue(Mode.STATUS_404_THEN_FOUND, 2)


def test_a_direction_for_a_job_wins_over_the_standing_one() -> None:
    script = directed(Direction(mode=Mode.STATUS_500), Direction(mode=Mode.STATUS_HELD, job="a"))
    assert (script.poll("a", 1).mode, script.poll("b", 1).mode) == (Mode.STATUS_HELD, Mode.STATUS_500)


def test_the_next_submissions_are_served_in_the_order_of_the_directions() -> None:
    script = directed(
        Direction(mode=Mode.SUBMIT_OK, next_submissions=1),
        Direction(mode=Mode.SUBMIT_CLOSED_ACCEPTED, next_submissions=2),
    )
    modes = [script.submission(number).mode for number in range(4)]
    assert modes == [Mode.SUBMIT_OK, Mode.SUBMIT_CLOSED_ACCEPTED, Mode.SUBMIT_CLOSED_ACCEPTED, Mode.SUBMIT_OK]


def test_a_direction_for_a_picture_is_for_every_submission_of_it_and_no_other() -> None:
    mine, other = "0" * 64, "1" * 64
    script = directed(Direction(mode=Mode.SUBMIT_429), Direction(mode=Mode.SUBMIT_403, picture=mine))
    modes = [script.submission(number, picture).mode for number, picture in enumerate((mine, other, mine))]
    assert modes == [Mode.SUBMIT_403, Mode.SUBMIT_429, Mode.SUBMIT_403]


def test_a_direction_for_the_next_submissions_stays_with_the_jobs_that_they_become() -> None:
    script = directed(Direction(mode=Mode.RESULT_JPEG, next_submissions=1))
    script.bind("first")
    script.bind("second")
    assert [script.result(job).mode for job in ("second", "first", "first")] == [
        Mode.RESULT_OK,
        Mode.RESULT_JPEG,
        Mode.RESULT_JPEG,
    ]


def test_a_direction_with_times_ends_by_itself_for_each_job() -> None:
    script = directed(Direction(mode=Mode.STATUS_504, next_submissions=2, times=1))
    script.bind("a")
    script.bind("b")
    polls = [script.poll(job, number).mode for number in (1, 2) for job in ("a", "b")]
    assert polls == [Mode.STATUS_504, Mode.STATUS_504, Mode.STATUS_OK, Mode.STATUS_OK]


def test_a_direction_for_a_job_that_has_ended_leaves_it_to_the_standing_one() -> None:
    script = directed(Direction(mode=Mode.STATUS_500), Direction(mode=Mode.STATUS_HELD, job="a", times=1))
    assert [script.poll("a", number).mode for number in (1, 2)] == [Mode.STATUS_HELD, Mode.STATUS_500]


def test_ending_the_faults_forgets_every_direction() -> None:
    script = directed(Direction(mode=Mode.STATUS_504), Direction(mode=Mode.STATUS_500, job="a"))
    script.clear()
    assert (script.poll("a", 1), script.poll("b", 1)) == (GOOD, GOOD)


def test_a_share_is_drawn_from_the_seed_and_not_from_the_order_of_the_calls() -> None:
    direction = Direction(mode=Mode.STATUS_504, share=0.3)
    calls = [(f"job-{job}", poll_number) for job in range(100) for poll_number in range(3)]
    forwards = {call: directed(direction).poll(*call).mode for call in calls}
    backwards = {call: directed(direction).poll(*call).mode for call in reversed(calls)}
    other = {call: directed(direction, seed=2).poll(*call).mode for call in calls}
    obeyed = list(forwards.values()).count(Mode.STATUS_504) / len(calls)
    assert forwards == backwards != other
    assert 0.2 < obeyed < 0.4


def test_a_result_that_is_wrong_by_chance_is_wrong_at_every_poll() -> None:
    script = directed(Direction(mode=Mode.RESULT_MISSING, share=0.5))
    assert all(script.result(f"job-{job}") == script.result(f"job-{job}") for job in range(50))
