"""Several pieces of a long run at once: each in a process of its own, with its own seed, ports and folder."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from subprocess import Popen
from typing import TYPE_CHECKING

from chaos.evidence import Verdict
from chaos.pieces import pieces_of, write_piece

if TYPE_CHECKING:
    import argparse

PIECE = 40
"""Kills of one piece: a few minutes."""
CHECK_INTERVAL_S = 0.5
UNJUDGED_AT_MOST = 3
"""Pieces that end without a verdict, then the run ends."""
VERDICT = 3
"""A piece ends so that has found something."""
PASSED_ON = ("workers", "rescue_after", "longest_stop", "every", "pace", "accounts", "slots")
"""Arguments that hold for each piece."""


@dataclass
class Piece:
    """One that is under way."""

    seed: int
    kills: int
    process: Popen[bytes]


class Streams:
    """Run pieces until the file has enough kills."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given, self._file = given, given.pieces
        self._running: list[Piece] = []
        self._unjudged = 0
        self._again = [one["seed"] for one in pieces_of(self._file) if given.again and any(one["wrong"].values())]

    def run(self) -> None:
        """Run them; comes back when the last has ended."""
        pause = threading.Event()
        while True:
            self._start_pieces()
            if not self._running:
                return
            pause.wait(CHECK_INTERVAL_S)
            for piece in [one for one in self._running if one.process.poll() is not None]:
                self._running.remove(piece)
                self._end(piece)

    def _start_pieces(self) -> None:
        while len(self._running) < self._given.streams and self._unjudged < UNJUDGED_AT_MOST:
            pieces = {one["seed"]: one for one in pieces_of(self._file)}
            done = {seed: one["counts"].get("kills", 0) for seed, one in pieces.items()}
            under_way = {one.seed: one.kills for one in self._running}
            left = self._given.kills - sum((done | under_way).values())
            if self._again:
                seed = self._again.pop(0)
                self._start(seed, pieces[seed]["kills"] or PIECE)
            elif left > 0:
                self._start(max([self._given.seed - 1, *done, *under_way]) + 1, min(left, PIECE))
            else:
                return

    def _start(self, seed: int, kills: int) -> None:
        command = [sys.executable, "-m", "chaos.run", "--one-piece", "--pieces", str(self._file)]
        command += ["--seed", str(seed), "--kills", str(kills)]
        for name in PASSED_ON:
            command += ["--" + name.replace("_", "-"), str(getattr(self._given, name))]
        self._running.append(Piece(seed, kills, Popen(command)))

    def _end(self, piece: Piece) -> None:
        """Have it in the file that a piece came to no verdict: that is a finding, of the harness at least."""
        if piece.process.returncode in {0, VERDICT}:
            return
        self._unjudged += 1
        sentence = f"the harness ended with {piece.process.returncode}"
        write_piece(self._file, Verdict(wrong={"unjudged": [sentence]}), seed=piece.seed, kills=0, seconds=0)
