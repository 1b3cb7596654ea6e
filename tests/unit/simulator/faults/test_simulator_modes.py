from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from swapline_simulator.api.replies import canned
from swapline_simulator.api.results import ENDINGS, MISSHAPEN
from swapline_simulator.faults.modes import MODES, WELL_BEHAVED, Mode, Stage, markdown
from swapline_simulator.faults.spoiled import SPOILED


def test_every_mode_has_one_row_in_the_table() -> None:
    assert list(MODES) == list(Mode)


def test_each_stage_has_a_well_behaved_mode_of_its_own() -> None:
    assert {stage: mode.stage for stage, mode in WELL_BEHAVED.items()} == {stage: stage for stage in Stage}


def test_a_mode_has_a_unit_exactly_when_it_has_an_amount() -> None:
    assert [mode for mode, row in MODES.items() if bool(row.amount) != bool(row.unit)] == []


def test_every_result_mode_is_either_right_an_ending_misshapen_or_spoiled() -> None:
    made = [Mode.RESULT_OK, *ENDINGS, *MISSHAPEN, *SPOILED]
    assert sorted(made) == sorted(mode for mode in Mode if mode.stage is Stage.RESULT)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.kind[0].isdigit() and mode.kind[:4] != "404_"])
def test_a_mode_named_by_a_number_answers_with_that_number(mode: Mode) -> None:
    reply = canned(mode.kind, 1, now=0)
    assert reply is not None
    assert reply.status == int(mode.kind[:3])


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.stage is Stage.SUBMIT])
def test_the_name_of_a_submit_mode_tells_whether_the_job_is_charged(mode: Mode) -> None:
    assert mode.accepts == (mode.endswith("_accepted") or mode == "submit_ok")


def test_the_readme_shows_the_table_as_it_is() -> None:
    readme = Path(str(files("swapline_simulator"))).parent / "README.md"
    shown = readme.read_text().partition("<!-- modes -->\n")[2].partition("<!-- end of modes -->")[0]
    assert shown == markdown()
