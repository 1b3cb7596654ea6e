from __future__ import annotations

import pytest
from click.testing import CliRunner

from swapline_simulator.cli import simulator
from swapline_simulator.faults.modes import Mode


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cap", "many"], "--cap: Input should be a valid integer"),
        (["--over-cap", "maybe"], "--over-cap: Input should be '429'"),
        (["--service-time", "often"], "--service-time: write fixed:SECONDS"),
        (["--fail-rate", "2"], "--fail-rate: Input should be less than or equal to 1"),
        (["--mode", "status_hold"], "--mode: there is no mode status_hold; the nearest are status_held"),
        (["--key-header", "X API"], "--key-header: String should match pattern"),
        (["--port", "70000"], "70000 is not in the range"),
    ],
)
def test_a_wrong_option_is_named_with_a_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    done = CliRunner().invoke(simulator, arguments)
    assert done.exit_code == 2
    assert sentence in done.output


def test_all_wrong_options_are_named_at_once() -> None:
    done = CliRunner().invoke(simulator, ["--cap", "many", "--credits", "-1"])
    assert "--cap:" in done.output
    assert "--credits:" in done.output


def test_the_modes_can_be_listed() -> None:
    done = CliRunner().invoke(simulator, ["--list-modes"])
    assert [line.split()[0] for line in done.output.splitlines()] == list(Mode)
