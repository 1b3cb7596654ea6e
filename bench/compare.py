"""Compare the cost of a job with other systems: in pairs, in both orders, against one fake vendor.

    make bench                         all contenders, 5 pairs each, plots into docs/
    python bench/compare.py --pairs 5 --jobs 100 --size 200000 --only script

CPU is user and system time of all of a contender's own processes (its Redis among them, the vendor not), from the
first enqueued job to the last stored picture, by job. Machines are noisy: only ratios within a pair mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import redis
import requests

from environment import HERE, fake_vendor, photographs

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "swapline_shipped"
OTHERS = ("tuned_script", "script", "taskiq_redis_list", "dbos_postgres", "dramatiq_docs", "celery_tutorial")
SAMPLE_INTERVAL_S = 0.1
"""Seconds between two samples of memory."""


class Result(NamedTuple):
    """What one run of one contender took."""

    cpu_ms: float
    jobs_per_second: float
    rss_mb: float
    redis_mb: float
    by_process: dict[str, float]


def spent(root: psutil.Process) -> dict[int, tuple[str, float]]:
    """CPU seconds of every process of a tree, those that it has buried included."""
    found = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
            name = " ".join(process.cmdline()[1:4]) if "python" in process.name() else process.name()
            seconds = times.user + times.system + times.children_user + times.children_system
            found[process.pid] = (f"{process.name()} {name}"[:60], seconds)
        except psutil.NoSuchProcess:
            continue
    return found


class Memory(threading.Thread):
    """Watches the resident set of a tree, and its Redis."""

    def __init__(self, root: psutil.Process, socket: Path) -> None:
        """Watch until stopped."""
        super().__init__(daemon=True)
        self._root, self._socket = root, socket
        self._stopped = threading.Event()
        self.most = 0
        self.redis = 0

    def run(self) -> None:
        """Sample, and remember the maximum."""
        client = redis.Redis(unix_socket_path=str(self._socket), password=_password(self._socket.parent))
        while not self._stopped.wait(SAMPLE_INTERVAL_S):
            total = 0
            for process in [self._root, *self._root.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.most = max(self.most, total)
            if self._socket.exists():
                self.redis = max(self.redis, client.info("memory")["used_memory"])

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self.join()


def _password(folder: Path) -> str | None:
    found = folder / "valkey" / "password"
    return found.read_text().strip() if found.exists() else None


class Contender:
    """A running contender: it sends `ready` and `done`, and receives `go` and `end` (see `contenders/runner.py`)."""

    def __init__(self, name: str, child: subprocess.Popen[str], folder: Path) -> None:
        """Wait until it is ready."""
        self._name, self._child, self._folder = name, child, folder
        self.root = psutil.Process(child.pid)
        self._receive("ready")

    def go(self) -> None:
        """Start it, and wait until all jobs are done."""
        self._send("go")
        self._receive("done")

    def end(self) -> None:
        """End it."""
        self._send("end")
        self._child.wait(60)

    def _send(self, word: str) -> None:
        if self._child.stdin is not None:
            self._child.stdin.write(f"{word}\n")
            self._child.stdin.flush()

    def _receive(self, word: str) -> None:
        if self._child.stdout is None or self._child.stdout.readline().strip() != word:
            log = self._folder / "log"
            raise SystemExit(f"{self._name} is not {word}: {log.read_text()[-3000:] if log.exists() else ''}")


@contextmanager
def contender(name: str, folder: Path, surroundings: dict[str, str]) -> Iterator[Contender]:
    """Start a contender in its folder; its own parts end with it (see `runner.running`)."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SWAPLINE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BENCH_FOLDER": str(folder),
        **surroundings,
    }
    with subprocess.Popen(
        [sys.executable, HERE / "contenders" / f"{name}.py"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield Contender(name, child, folder)
        finally:
            child.terminate()


def run(name: str, url: str, photos: Path, chosen: argparse.Namespace, **more: str) -> Result:
    """Run one contender once."""
    surroundings = {
        "BENCH_VENDOR": url,
        "BENCH_PHOTOS": str(photos),
        "BENCH_JOBS": str(chosen.jobs),
        "BENCH_AT_ONCE": str(chosen.at_once),
        "BENCH_STORE": chosen.store,
        **more,
    }
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        requests.post(f"{url}/empty", timeout=60).raise_for_status()  # the bucket belongs to one installation
        with contender(name, folder, surroundings) as one:
            memory = Memory(one.root, folder / "redis.sock")
            before, began = spent(one.root), time.monotonic()
            memory.start()
            one.go()
            took, after = time.monotonic() - began, spent(one.root)
            memory.stop()
            one.end()
    by_process = {
        f"{label} {pid}": round((seconds - before.get(pid, ("", 0.0))[1]) * 1000 / chosen.jobs, 2)
        for pid, (label, seconds) in after.items()
    }
    return Result(
        cpu_ms=round(sum(by_process.values()), 2),
        jobs_per_second=round(chosen.jobs / took, 1),
        rss_mb=round(memory.most / 1e6),
        redis_mb=round(memory.redis / 1e6, 1),
        by_process=by_process,
    )


def pairs(other: str, url: str, photos: Path, chosen: argparse.Namespace) -> list[tuple[Result, Result]]:
    """Run ours and another alternately, each pair in the other order; return (ours, other) of each.

    Another is a contender, or `NAME=VALUE`: ours with that setting.
    """
    found = []
    for number in range(chosen.pairs):
        order = (OURS, other) if number % 2 == 0 else (other, OURS)
        results = {name: _run(name, url, photos, chosen) for name in order}
        found.append((results[OURS], results[other]))
        if chosen.verbose:
            print(json.dumps({name: result._asdict() for name, result in results.items()}), file=sys.stderr, flush=True)
    return found


def _run(name: str, url: str, photos: Path, chosen: argparse.Namespace) -> Result:
    setting, _, value = name.partition("=")
    return run(OURS, url, photos, chosen, **{setting: value}) if value else run(name, url, photos, chosen)


def row(name: str, results: list[Result]) -> str:
    """Return a line of the table: medians."""
    cpu, rate, rss, stored = (median(getattr(one, field) for one in results) for field in Result._fields[:4])
    return f"| {name} | {cpu:.1f} | {rate:.1f} | {rss:.0f} | {stored:.1f} |"


def draw(everything: dict[str, list[list[dict[str, Any]]]], to: Path) -> None:
    """Plot CPU a job of each contender, every run a point."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- slow to load, and only who plots needs it

    figure, axes = plt.subplots(figsize=(7, 3.5))
    ours = [pair[0]["cpu_ms"] for found in everything.values() for pair in found]
    rows = {"swapline": ours, **{name: [pair[1]["cpu_ms"] for pair in found] for name, found in everything.items()}}
    for place, (name, values) in enumerate(rows.items()):
        axes.barh(place, median(values), color="#4c78a8" if name == "swapline" else "#bab0ac")
        axes.plot(values, [place] * len(values), "k.", markersize=3)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("CPU ms a job (median; each run a point)")
    figure.tight_layout()
    figure.savefig(to, dpi=120)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--size", type=int, default=4_100_000, help="bytes of a result")
    parser.add_argument("--polls", type=int, default=2, help="polls until a job is done")
    parser.add_argument("--store", choices=("s3", "file"), default="s3", help="where results go")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--only", action="append", choices=OTHERS)
    parser.add_argument("--setting", action="append", metavar="NAME=VALUE", help="ours against ours with a setting")
    parser.add_argument("--alone", action="store_true", help="ours alone, once, by process")
    parser.add_argument("--plot", type=Path, help="draw CPU a job there")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def has_postgres() -> bool:
    """Whether a Postgres server is installed: in PATH, or where Debian's packages put it."""
    return bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))


def main() -> None:
    """Run the pairs, print the tables."""
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="bench-photos-") as text, fake_vendor(chosen.size, chosen.polls) as url:
        photos = Path(text)
        photographs(photos, min(chosen.jobs, 100))
        if chosen.alone:
            print(json.dumps(run(OURS, url, photos, chosen)._asdict(), indent=1))
            if chosen.store == "s3":
                counted = requests.get(f"{url}/requests", timeout=60).json()["requests"]
                print("requests of S3, those of the warm-up too:", counted)
            return
        print("| contender | CPU ms a job | jobs/s | RSS MB | Redis MB |\n|---|---|---|---|---|")
        everything = {}
        for other in chosen.setting or chosen.only or OTHERS:
            if other == "dbos_postgres" and not has_postgres():
                print("dbos_postgres is left out: there is no Postgres server here (apt-get install postgresql)")
                continue
            found = pairs(other, url, photos, chosen)
            everything[other] = [[ours._asdict(), theirs._asdict()] for ours, theirs in found]
            print(row("ours", [ours for ours, _ in found]))
            print(row(other, [theirs for _, theirs in found]))
            ratios = [ours.cpu_ms / theirs.cpu_ms for ours, theirs in found]
            print(
                f"ours / {other}, CPU by pair: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )
    if chosen.plot:
        draw(everything, chosen.plot)
    if chosen.json:
        chosen.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
