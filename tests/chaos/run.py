"""`make chaos`: a long run, and its report.

    make chaos KILLS=200 SEED=7 SECONDS=1000
    make chaos KILLS=2000 ARGS="--pieces pieces.jsonl --streams 3"
    make chaos KILLS=8 ARGS="--recovery --rescue-after 5 --pieces pieces.jsonl"

The second runs pieces of 40 kills, three at once, each with a seed of its own, and goes on where the file ends; with
`--again` it first runs those again in which something was found. The third kills far apart and does nothing else: how
long do a dead worker's jobs stand still? What it has shown is kept for the report of the pieces.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from chaos.accounts import caps_of
from chaos.environment import Setup
from chaos.pieces import pieces_of, sum_of, wards_of, write_piece, write_ward
from chaos.plan import Temper
from chaos.play import Play, perform
from chaos.report import FOUND, HEAD, page, wards_page
from chaos.streams import VERDICT, Streams
from chaos.wards import ward

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "chaos-report.md"
LONG = 200
"""Kills from which a run is worth a page in the documentation."""


def main() -> int:
    """Run, print the report, and write the page where the run was long enough; 1 when something was found."""
    given = _arguments()
    if given.one_piece:
        return _one_piece(given)
    if given.pieces and not given.recovery:
        return _pieces(given)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    _print(f"seed {given.seed}, evidence in {folder}")
    verdict = ward(given, folder) if given.recovery else perform(_play(given), folder)
    facts = {"seed": str(given.seed), "raging, in all": f"{given.seconds:g} s, {time.monotonic() - began:.0f} s"}
    text = page(verdict, facts | _facts(given))
    _print(text)
    if given.kills >= LONG and not given.recovery:
        command = f"make chaos KILLS={given.kills} SEED={given.seed} SECONDS={given.seconds:g}"
        REPORT.write_text(HEAD.format(command=command) + text)
    if given.recovery and given.pieces:
        write_ward(given.pieces, verdict, rescue_after=given.rescue_after, kills=given.kills)
    if verdict.clean:
        shutil.rmtree(folder)
    return 0 if verdict.clean else 1


def _one_piece(given: argparse.Namespace) -> int:
    """Run one piece, and append it to the file."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    _print(f"seed {given.seed}, {given.kills} kills, evidence in {folder}")
    verdict = perform(_play(given), folder)
    write_piece(given.pieces, verdict, seed=given.seed, kills=given.kills, seconds=given.seconds)
    for kind, found in verdict.wrong.items():
        for one in found:
            _print(f"seed {given.seed}, {kind}: {one}")
    if verdict.clean:
        shutil.rmtree(folder)
    return 0 if verdict.clean else VERDICT


def _pieces(given: argparse.Namespace) -> int:
    """Run pieces until the file has enough kills, and report on all of them."""
    Streams(given).run()
    pieces = pieces_of(given.pieces)
    total = sum_of(pieces)
    revisions = dict.fromkeys(piece.get("revision", "") for piece in pieces)
    facts = {
        "pieces, seeds": f"{len(pieces)}, {pieces[0]['seed']} to {pieces[-1]['seed']}",
        "revisions": ", ".join(filter(None, revisions)),
        "raging": f"{sum(piece['seconds'] for piece in pieces):g} s",
    }
    if loads := [piece["load"] for piece in pieces if "load" in piece]:
        facts["load of the machine, its processors"] = f"{min(loads):g} to {max(loads):g}, {os.cpu_count()}"
    text = page(total, facts | _facts(given))
    _print(text)
    done = total.counts.get("kills", 0)
    if done >= LONG:
        command = f'make chaos KILLS={done} ARGS="--pieces pieces.jsonl --streams {given.streams}"'
        REPORT.write_text(HEAD.format(command=command) + text + wards_page(wards_of(given.pieces)) + FOUND)
    return 0 if total.clean else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill, stop and break everything, and check that nothing is lost.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="of raging; --pace for each kill when absent")
    parser.add_argument("--pace", type=float, default=4, help="seconds from one kill to the next, on average")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument(
        "--accounts", type=int, default=3, help="of the vendor's; the first has 3 slots, the next 4, ..."
    )
    parser.add_argument("--slots", type=int, default=10, help="of the one account, with --accounts 1")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two jobs")
    parser.add_argument("--rescue-after", type=float, default=15)
    parser.add_argument("--longest-stop", type=float, default=60)
    parser.add_argument("--recovery", action="store_true", help="only measure how long a killed worker's jobs wait")
    parser.add_argument("--pieces", type=Path, help="run in pieces, one line of this file for each")
    parser.add_argument("--streams", type=int, default=1, help="pieces at once")
    parser.add_argument("--again", action="store_true", help="first run pieces again in which something was found")
    parser.add_argument("--fresh", action="store_true", help="start interpreters, fork none that has loaded")
    parser.add_argument("--one-piece", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.seconds = given.seconds or given.pace * given.kills
    return given


def _play(given: argparse.Namespace) -> Play:
    temper = Temper(
        seconds=given.seconds,
        kills=given.kills,
        gateway_kills=max(1, given.kills // 3),
        batches=max(1, given.kills // 10),
        stops=max(1, given.kills // 20),
        longest_stop=given.longest_stop,
        faults=max(1, given.kills // 2),
        steps=given.kills // 25,
        account_failures=max(3, given.kills // 5),
        drains=max(1, given.kills // 10),
    )
    setup = Setup(
        seed=given.seed,
        workers=given.workers,
        slots=given.slots,
        accounts=caps_of(given.accounts),
        rescue_after=given.rescue_after,
        # A job of a revoked account is polled in vain until it is back: longer than that, a rescue and a slow service.
        run_timeout=120,
        # Replies to a third of the submissions take a while, so that kills fall between sending and the reply; a third
        # of the polls are held, so that kills find jobs at work.
        modes=("submit_slow_accepted=0.5@0.3", "status_held_pending=3@0.3"),
        steps=True,
        gateway=True,
        forks=not given.fresh,
        # Of the usual schedule the third try comes after five minutes: a run would wait for nothing else.
        settings={"SWAPLINE_WEBHOOK_SCHEDULE": "0,5,15,30,60,120,240,480"},
    )
    return Play(setup, temper, every=given.every, settle=300)


def _facts(given: argparse.Namespace) -> dict[str, str]:
    caps = caps_of(given.accounts) or {"default": given.slots}
    return {
        "workers": str(given.workers),
        "accounts and their slots": ", ".join(f"{name} {cap}" for name, cap in caps.items()),
        "SWAPLINE_RESCUE_AFTER": f"{given.rescue_after:g}",
    }


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
