"""A long run in pieces: one line of a file for each, and their sum; a run that was cut short goes on after its last."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from chaos.checker import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LISTS = ("recovery", "rescued", "moved", "lives")
LARGEST = "most "
"""Counts that begin so are the largest of all pieces, not their sum."""


def write_piece(file: Path, verdict: Verdict, *, seed: int, kills: int, seconds: float) -> None:
    """Append what one piece has shown."""
    lists = {name: getattr(verdict, name) for name in LISTS}
    line = {"seed": seed, "kills": kills, "seconds": seconds, "wrong": verdict.wrong, "counts": verdict.counts, **lists}
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")


def pieces_of(file: Path) -> list[dict[str, Any]]:
    """Return the pieces that were run, none where there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def sum_of(pieces: Sequence[dict[str, Any]]) -> Verdict:
    """Return one verdict of all pieces; each finding names its piece's seed."""
    total = Verdict(wrong=defaultdict(list))
    for piece in pieces:
        for kind, found in piece["wrong"].items():
            total.wrong[kind] += [f"seed {piece['seed']}: {one}" for one in found]
        for name, number in piece["counts"].items():
            before = total.counts.get(name, 0)
            total.counts[name] = max(before, number) if name.startswith(LARGEST) else before + number
        for name in LISTS:
            getattr(total, name).extend(piece[name])
    for name in LISTS:
        getattr(total, name).sort()
    return total
