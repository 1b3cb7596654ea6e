"""A long run in pieces: one line of a file for each, and their sum; a run that was cut short goes on after its last."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.evidence import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTS = ("recovery", "rescued", "moved", "lives")
LARGEST = "most "
"""Counts that begin so are the largest of all pieces, not their sum."""


def write_piece(file: Path, verdict: Verdict, *, seed: int, kills: int, seconds: float) -> None:
    """Append what one piece has shown; several may do so at once."""
    facts = {"seed": seed, "kills": kills, "seconds": seconds, "load": round(os.getloadavg()[1], 1)}
    _append(file, facts | {"counts": verdict.counts, **_shown(verdict, LISTS)})


def write_ward(file: Path, verdict: Verdict, *, rescue_after: float, kills: int) -> None:
    """Append what a run with `--recovery` has shown."""
    _append(file, {"rescue_after": rescue_after, "kills": kills, **_shown(verdict, ("recovery", "moved"))})


def _shown(verdict: Verdict, lists: Sequence[str]) -> dict[str, Any]:
    rounded = {name: [round(value, 3) for value in getattr(verdict, name)] for name in lists}
    return {"revision": revision(), "wrong": verdict.wrong, **rounded}


def _append(file: Path, line: dict[str, Any]) -> None:
    with file.open("a") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.write(json.dumps(line) + "\n")


def _lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def pieces_of(file: Path) -> list[dict[str, Any]]:
    """Return the pieces that were run, by their seeds; of one that was run again, the last. None without a file."""
    last = {piece["seed"]: piece for piece in _lines_of(file) if "seed" in piece}
    return [last[seed] for seed in sorted(last)]


def wards_of(file: Path) -> dict[float, list[dict[str, Any]]]:
    """Return the runs with `--recovery`, by SWAPLINE_RESCUE_AFTER."""
    found: dict[float, list[dict[str, Any]]] = defaultdict(list)
    for line in _lines_of(file):
        if "rescue_after" in line:
            found[line["rescue_after"]].append(line)
    return dict(found)


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


def revision() -> str:
    """Return the last commit that changed the product; empty where there is no repository."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root), "log", "-1", "--format=%h", "--", "producer", "workers", "gateway", "simulator"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
