"""A run in pieces: what each has shown is kept, and summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.evidence import Verdict
from chaos.pieces import pieces_of, sum_of, write_piece

if TYPE_CHECKING:
    from pathlib import Path


def test_pieces_are_kept_and_summed_up(tmp_path: Path) -> None:
    file = tmp_path / "pieces.jsonl"
    assert pieces_of(file) == []
    first = Verdict(counts={"kills": 20, "most jobs at the vendor at once": 6}, recovery=[14.0, 16.0])
    second = Verdict(wrong={"lost": ["j1"]}, counts={"kills": 21, "most jobs at the vendor at once": 4}, recovery=[3.0])
    for seed, verdict in ((1, first), (2, second)):
        write_piece(file, verdict, seed=seed, kills=20, seconds=100.0)
    total = sum_of(pieces_of(file))
    assert total.counts == {"kills": 41, "most jobs at the vendor at once": 6}
    assert total.recovery == [3.0, 14.0, 16.0]
    assert total.wrong == {"lost": ["seed 2: j1"]}
    assert [piece["seed"] for piece in pieces_of(file)] == [1, 2]


def test_a_piece_that_was_run_again_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "pieces.jsonl"
    for seed, wrong in ((1, {"lost": ["j1"]}), (2, {}), (1, {})):
        write_piece(file, Verdict(wrong=wrong, counts={"kills": 5}), seed=seed, kills=5, seconds=10.0)
    pieces = pieces_of(file)
    assert [(piece["seed"], piece["kills"]) for piece in pieces] == [(1, 5), (2, 5)]
    assert sum_of(pieces).clean
