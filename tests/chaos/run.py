"""`make chaos`: a long run, and its report.

    make chaos KILLS=200 SEED=7 SECONDS=1000
    make chaos KILLS=2000 ARGS="--pieces pieces.jsonl"
    make chaos KILLS=8 ARGS="--recovery --rescue-after 5"

The second runs pieces of 40 kills, each with a seed of its own, and goes on where the file ends. The third kills far
apart and does nothing else: how long do a dead worker's jobs stand still?
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from chaos.environment import Setup
from chaos.nemesis import Temper
from chaos.pieces import pieces_of, sum_of, write_piece
from chaos.play import Play, perform
from chaos.report import page
from chaos.wards import ward

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "chaos-report.md"
PIECE = 40
"""Kills of one piece: a few minutes."""
LONG = 200
"""Kills from which a run is worth a page in the documentation."""

HEAD = """# What chaos has shown

Written by the harness in `tests/chaos/`: real Valkey with an append-only file, real workers and a
gateway through which every second job comes, the simulated vendor in a
process of its own, a webhook receiver, a fault proxy between any two of them, and a nemesis that kills, stops, breaks
and steps clocks by a seed. A checker that shares no code with the pipeline then puts the vendor's charges, the object
store, the receiver's record and Redis side by side.

Submissions that a kill or a broken link has hit are HELD: whether they were charged is for the vendor to say. The
checker forgives a HELD job only where a kill, a stop or a lost reply lies between its attempt and the reply, and where
the kill found this very submission in the killed worker's hands, by the worker's own log.

    {command}

"""


def main() -> int:
    """Run, print the report, and write the page where the run was long enough; 1 when something was found."""
    given = _arguments()
    if given.pieces:
        return _pieces(given)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    _print(f"seed {given.seed}, evidence in {folder}")
    verdict = ward(given, folder) if given.recovery else perform(_play(given), folder)
    text = page(verdict, _facts(given, time.monotonic() - began))
    _print(text)
    if given.kills >= LONG and not given.recovery:
        REPORT.write_text(HEAD.format(command=_command(given)) + text)
    if verdict.clean:
        shutil.rmtree(folder)
    return 0 if verdict.clean else 1


def _pieces(given: argparse.Namespace) -> int:
    """Run pieces until the file has enough kills, and report on all of them."""
    kills = given.kills
    while (left := kills - sum(piece["kills"] for piece in pieces_of(given.pieces))) > 0:
        before = pieces_of(given.pieces)
        given.seed = max([given.seed, *(piece["seed"] + 1 for piece in before)])
        given.kills = min(left, PIECE)
        given.seconds = 5.0 * given.kills
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        _print(f"seed {given.seed}, {given.kills} of {left} kills that are left, evidence in {folder}")
        verdict = perform(_play(given), folder)
        write_piece(given.pieces, verdict, seed=given.seed, kills=given.kills, seconds=given.seconds)
        if verdict.clean:
            shutil.rmtree(folder)
    pieces = pieces_of(given.pieces)
    total = sum_of(pieces)
    given.kills, given.seconds = kills, sum(piece["seconds"] for piece in pieces)
    seeds = {"pieces, seeds": f"{len(pieces)}, {pieces[0]['seed']} to {pieces[-1]['seed']}"}
    text = page(total, seeds | _facts(given, given.seconds))
    _print(text)
    if kills >= LONG:
        command = f'make chaos KILLS={kills} ARGS="--pieces pieces.jsonl"'
        REPORT.write_text(HEAD.format(command=command) + text)
    return 0 if total.clean else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill, stop and break everything, and check that nothing is lost.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="of raging; 5 for each kill when absent")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two jobs")
    parser.add_argument("--rescue-after", type=float, default=15)
    parser.add_argument("--longest-stop", type=float, default=60)
    parser.add_argument("--recovery", action="store_true", help="only measure how long a killed worker's jobs wait")
    parser.add_argument("--pieces", type=Path, help="run in pieces, one line of this file for each")
    given = parser.parse_args()
    given.seconds = given.seconds or 5.0 * given.kills
    return given


def _play(given: argparse.Namespace) -> Play:
    temper = Temper(
        seconds=given.seconds,
        kills=given.kills,
        gateway_kills=max(1, given.kills // 3),
        stops=max(1, given.kills // 20),
        longest_stop=given.longest_stop,
        faults=max(1, given.kills // 2),
        steps=given.kills // 25,
    )
    setup = Setup(
        seed=given.seed,
        workers=given.workers,
        slots=given.slots,
        rescue_after=given.rescue_after,
        # Replies to a third of the submissions take a while, so that kills fall between sending and the reply; a third
        # of the polls are held, so that kills find jobs at work.
        modes=("submit_slow_accepted=0.5@0.3", "status_held_pending=3@0.3"),
        steps=True,
        gateway=True,
    )
    # A webhook that fails twice is tried again after five minutes, more or less a fifth.
    return Play(setup, temper, every=given.every, settle=420)


def _facts(given: argparse.Namespace, took: float) -> dict[str, str]:
    return {
        "seed": str(given.seed),
        "raging, in all": f"{given.seconds:g} s, {took:.0f} s",
        "workers, slots": f"{given.workers}, {given.slots}",
        "SWAPLINE_RESCUE_AFTER": f"{given.rescue_after:g}",
    }


def _command(given: argparse.Namespace) -> str:
    return f"make chaos KILLS={given.kills} SEED={given.seed} SECONDS={given.seconds:g}"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
