"""Pieces that run at once: as many kills as were asked for, a seed each, and what was found is run again."""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from chaos import streams
from chaos.evidence import Verdict
from chaos.pieces import pieces_of, sum_of, write_piece
from chaos.streams import UNJUDGED_AT_MOST, VERDICT, Streams

ARGUMENTS = {"workers": 3, "rescue_after": 15, "longest_stop": 60, "every": 1, "pace": 4, "accounts": 3, "slots": 10}


class Process:
    """A piece that has ended as soon as it is asked; `codes` are how the next ones end, then 0."""

    codes: ClassVar[list[int]] = []
    running = most = 0

    def __init__(self, command: list[str]) -> None:
        values = dict(pairwise(command))
        self.returncode = Process.codes.pop(0) if Process.codes else 0
        Process.running += 1
        Process.most = max(Process.most, Process.running)
        if self.returncode in {0, VERDICT}:
            wrong, kills = {"lost": ["j1"]} if self.returncode else {}, int(values["--kills"])
            verdict = Verdict(wrong=wrong, counts={"kills": kills})
            write_piece(Path(values["--pieces"]), verdict, seed=int(values["--seed"]), kills=kills, seconds=1)

    def poll(self) -> int:
        Process.running -= 1
        return self.returncode


@pytest.fixture(autouse=True)
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "Popen", Process)
    monkeypatch.setattr(streams, "CHECK_INTERVAL_S", 0)
    Process.codes, Process.running, Process.most = [], 0, 0


def run(file: Path, kills: int, *codes: int, again: bool = False) -> list[tuple[int, int]]:
    """(seed, kills) of all pieces in the file after a run."""
    Process.codes = list(codes)
    Streams(argparse.Namespace(pieces=file, kills=kills, seed=1, streams=3, again=again, **ARGUMENTS)).run()
    return [(piece["seed"], piece["kills"]) for piece in pieces_of(file)]


def test_three_pieces_run_at_once_and_a_run_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    file = tmp_path / "pieces.jsonl"
    assert run(file, 100) == [(1, 40), (2, 40), (3, 20)]
    assert Process.most == 3
    assert run(file, 130) == [(1, 40), (2, 40), (3, 20), (4, 30)]
    assert run(file, 130) == [(1, 40), (2, 40), (3, 20), (4, 30)]


def test_pieces_in_which_something_was_found_are_run_again_when_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "pieces.jsonl"
    assert run(file, 80, 0, VERDICT) == [(1, 40), (2, 40)]
    assert sum_of(pieces_of(file)).wrong == {"lost": ["seed 2: j1"]}
    assert run(file, 80, again=True) == [(1, 40), (2, 40)]
    assert sum_of(pieces_of(file)).clean


def test_pieces_without_a_verdict_are_findings_and_end_a_run_when_there_are_too_many(tmp_path: Path) -> None:
    file = tmp_path / "pieces.jsonl"
    assert run(file, 400, *[1] * 10) == [(seed, 0) for seed in range(1, UNJUDGED_AT_MOST + 1)]
    assert not sum_of(pieces_of(file)).clean
    assert run(file, 80, again=True) == [(1, 40), (2, 40), (3, 40)]
    assert sum_of(pieces_of(file)).clean
