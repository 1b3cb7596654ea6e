"""`make simulate`: worlds by seed until enough jobs, points or hours were simulated, and what was found.

make simulate SEED=1 JOBS=600
make simulate SEED=77 STORY=1        one world, and its story where it fails
make simulate MUTANTS=1              how soon each deliberate fault is found
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from redis import Redis

from simulation.account_mutants import ACCOUNT_MUTANTS
from simulation.clocks import simulated_clocks
from simulation.mutants import MUTANTS
from simulation.report import write_page
from simulation.world import Scenario, World, several_accounts
from swapline_producer.ledger import scripts
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.checker import Verdict
    from simulation.mutant import Mutant

_SOURCE = cache(scripts._source)
SHRINKS = 120
"""Worlds that are run at most to make one story shorter."""
MUTANT_S = 60.0
"""Seconds within which a deliberate fault must be found."""


@contextmanager
def simulation_server() -> Iterator[Redis]:
    """An embedded Valkey on a unix socket that writes nothing to the disk."""
    with tempfile.TemporaryDirectory(prefix="sim-") as folder:
        path = Path(folder)
        with EmbeddedValkey(path / "v", unix_socket=path / "s", appendfsync="no") as server:
            client = Redis(unix_socket_path=str(path / "s"), password=server._password, decode_responses=True)
            client.config_set("appendonly", "no")
            client.config_set("save", "")
            try:
                yield client
            finally:
                client.close()


def play(scenario: Scenario, server: Redis, mutant: Mutant | None = None) -> tuple[Verdict, World]:
    """Run one world on an empty server."""
    server.flushall()
    with (
        patch.object(scripts, "_source", _SOURCE),
        mutant.applied() if mutant else nullcontext(),
        simulated_clocks(),
    ):
        world = World(scenario, server)
        return world.run(), world


def shrink(scenario: Scenario, server: Redis, drawn: list[int]) -> Scenario:
    """Leave out faults while the world still fails."""
    kept, tries, size = list(drawn), 0, max(1, len(drawn) // 2)
    while size and tries < SHRINKS:
        at = 0
        while at < len(kept) and tries < SHRINKS:
            fewer = kept[:at] + kept[at + size :]
            tries += 1
            verdict, _ = play(_only(scenario, fewer), server)
            if verdict.wrong:
                kept = fewer
            else:
                at += size
        size //= 2
    return _only(scenario, kept)


def _only(scenario: Scenario, kept: list[int]) -> Scenario:
    return Scenario(scenario.seed, scenario.jobs, scenario.hours, frozenset(kept))


def story_of(scenario: Scenario, server: Redis) -> str:
    """Tell the shortest story of a failing world in words."""
    _, world = play(scenario, server)
    short = shrink(scenario, server, world.faults.drawn)
    verdict, world = play(short, server)
    lines = [f"seed {scenario.seed}: {len(short.only or ())} faults are enough", *verdict.wrong[:5]]
    lines += [f"  {at:9.2f} s  {line}" for at, line in world.story]
    for job_id in sorted({word.partition("'")[0] for what in verdict.wrong for word in what.split()[:1]}):
        log: Any = server.lrange(f"{world.prefix}:log:{job_id}", 0, -1)
        for line in log:
            event = json.loads(line)
            at = (event["at"] - 1_000_000_000) / 1000
            lines.append(f"  {at:9.2f} s  {job_id}: {event['name']} {json.dumps(event['data'])}")
    return "\n".join(lines)


def find(mutant: Mutant, server: Redis, seed: int) -> dict[str, Any]:
    """Run worlds with a deliberate fault, such as can show it, until one fails."""
    began, worlds = time.process_time(), 0
    while time.process_time() - began < MUTANT_S:
        if mutant in ACCOUNT_MUTANTS and not several_accounts(seed):
            seed += 1
            continue
        verdict, _ = play(Scenario(seed), server, mutant)
        worlds += 1
        if verdict.wrong and not play(Scenario(seed), server)[0].wrong:  # not what the pipeline does by itself
            seconds = round(time.process_time() - began, 1)
            return {
                "mutant": mutant.name,
                "seed": seed,
                "worlds": worlds,
                "seconds": seconds,
                "by": verdict.wrong[0],
            }
        seed += 1
    return {"mutant": mutant.name, "seed": None, "worlds": worlds, "seconds": MUTANT_S, "by": None}


def _cpu(server: Redis) -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    valkey: Any = server.info("cpu")
    return used.ru_utime + used.ru_stime + float(valkey["used_cpu_user"]) + float(valkey["used_cpu_sys"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=600, help="jobs in all")
    parser.add_argument("--points", type=int, default=0, help="crash points in all, at least")
    parser.add_argument("--hours", type=float, default=None, help="simulated hours of each world's storm")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--story", action="store_true", help="one world only")
    parser.add_argument("--json", type=Path, help="append one line for each world, and go on after its last")
    parser.add_argument("--page", type=Path, nargs="+", help="write docs/proof.md from such files")
    return parser.parse_args()


def main() -> int:
    """Simulate, print what was found; 1 when something was found."""
    logging.disable(logging.CRITICAL)
    given = _arguments()
    if given.page:
        write_page(given.page)
        return 0
    with simulation_server() as server:
        if given.mutants:
            return _mutants(given, server)
        if given.story:
            verdict, _ = play(Scenario(given.seed, hours=given.hours), server)
            _print(story_of(Scenario(given.seed, hours=given.hours), server) if verdict.wrong else f"{verdict}")
            return int(bool(verdict.wrong))
        return _worlds(given, server)


def _begun(given: argparse.Namespace) -> tuple[int, int, int]:
    """The first seed to run, and the jobs and points of the worlds that the file has."""
    lines = given.json.read_text().splitlines() if given.json and given.json.exists() else []
    worlds = [json.loads(line) for line in lines]
    after = max((world["seed"] + 1 for world in worlds), default=given.seed)
    return after, sum(world["jobs"] for world in worlds), sum(world["points"] for world in worlds)


def _revision() -> str:
    """The commit that runs, with a plus where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    answers = [subprocess.run([*git, *what], capture_output=True, text=True, check=False).stdout for what in _ASKED]
    return answers[0].strip() + ("+" if answers[1].strip() else "")


_ASKED = (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])


def _worlds(given: argparse.Namespace, server: Redis) -> int:
    seed, jobs, points = _begun(given)
    revision = _revision()
    first, failed, began, cpu = seed, list[int](), time.monotonic(), _cpu(server)
    while jobs < given.jobs or points < given.points:
        before, wall = _cpu(server), time.monotonic()
        verdict, _ = play(Scenario(seed, hours=given.hours), server)
        jobs, points = jobs + verdict.jobs, points + verdict.points
        spent = {"cpu": round(_cpu(server) - before, 3), "wall": round(time.monotonic() - wall, 3)}
        line = {**vars(verdict), **spent, "revision": revision}
        if given.json:
            with given.json.open("a") as out:
                out.write(json.dumps(line) + "\n")
        if verdict.wrong:
            failed.append(seed)
            _print(f"seed {seed}: {verdict.wrong[0]}")
        seed += 1
    used, took = _cpu(server) - cpu, time.monotonic() - began
    _print(
        f"{seed - first} worlds, {used:.0f} s of processor time, Valkey's included, {took:.0f} s in all;"
        f" {jobs} jobs and {points} crash points so far; failed: {failed or 'none'}"
    )
    for each in failed[:1]:
        _print(story_of(Scenario(each, hours=given.hours), server))
    return int(bool(failed))


def _mutants(given: argparse.Namespace, server: Redis) -> int:
    lines = given.json.read_text().splitlines() if given.json and given.json.exists() else []
    before = [json.loads(line) for line in lines]
    missed, tried = sum(line["seed"] is None for line in before), {line["mutant"] for line in before}
    for mutant in [each for each in MUTANTS if each.name not in tried]:
        found = find(mutant, server, given.seed)
        missed += found["seed"] is None
        if given.json:
            with given.json.open("a") as out:
                out.write(json.dumps(found) + "\n")
        how = f"seed {found['seed']}, {found['seconds']} s: {found['by']}" if found["by"] else "NOT FOUND"
        _print(f"{mutant.name}: {how}")
    _print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} deliberate faults were found")
    return int(missed > 0)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
