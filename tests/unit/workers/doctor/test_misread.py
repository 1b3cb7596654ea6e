"""The doctor names settings that are read otherwise than they were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swapline_workers.doctor.misread import lost_blank, references
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from pathlib import Path

WORKER = """SWAPLINE_STORAGE_URL=file:///nowhere
SWAPLINE_API_BASE_URL=https://vendor.example
SWAPLINE_API_KEY_HEADER=X-Key
SWAPLINE_API_KEY=secret
"""


@pytest.mark.parametrize("line", ["SWAPLINE_API_KEY_PREFIX=Bearer ", "SWAPLINE_API_KEY_PREFIX=Bearer"])
def test_a_blank_that_is_lost_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(WORKER + line + "\n")
    [finding] = lost_blank(WorkerSettings().api_key_prefix)
    assert finding.found == (
        "SWAPLINE_API_KEY_PREFIX is 'Bearer', without a blank at its end: the header says BearerKEY"
    )
    assert finding.advice == "a blank is kept in quotes only: SWAPLINE_API_KEY_PREFIX='Bearer '"


@pytest.mark.parametrize("line", ["", "SWAPLINE_API_KEY_PREFIX='Bearer '", 'SWAPLINE_API_KEY_PREFIX="Key="'])
def test_a_prefix_that_ends_as_it_should_is_left_alone(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(WORKER + line + "\n")
    assert list(lost_blank(WorkerSettings().api_key_prefix)) == []


def test_a_reference_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_API_KEY=se${cr}et\nOTHER=${x}\nSWAPLINE_API_KEY_HEADER=X-$y\n")
    [finding] = references()
    assert finding.found == "SWAPLINE_API_KEY in .env has ${…} in it"


def test_a_file_that_is_not_utf_8_is_left_to_the_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SWAPLINE_API_KEY=\xff\n")
    assert list(references()) == []
