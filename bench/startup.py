"""How long a command takes to start, and what an import costs, beside a bare Python.

    make bench-startup            ARGS="--rounds 20 --against /path/to/another/.venv/bin"

Each round runs a bare Python and every case once, one after another, so that all meet the same machine. With
`--against`, the same cases of another build run between ours. Times are medians of the wall clock; memory is the
largest resident set.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from report import machine, table, warn_if_busy, write_json

BARE = ("-c", "pass")
CASES = {
    "python -c pass": BARE,
    "swapline --version": ("swapline", "--version"),
    "swapline --help": ("swapline", "--help"),
    "swapline enqueue --help": ("swapline", "enqueue", "--help"),
    "from swapline_producer import Producer": ("-c", "from swapline_producer import Producer"),
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--against", type=Path, help="the folder of another environment's programs")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def run(programs: Path, case: tuple[str, ...]) -> tuple[float, float]:
    """Run a case; return the milliseconds it took, and the megabytes it had. Raises SystemExit where it fails."""
    program = programs / ("python" if case[0].startswith("-") else case[0])
    command = [str(program), *(case if case[0].startswith("-") else case[1:])]
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    took = (time.perf_counter() - began) * 1000
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return took, usage.ru_maxrss / 1024


def measure(builds: dict[str, Path], rounds: int) -> list[dict[str, object]]:
    """Return a row for each case of each build."""
    for programs in builds.values():  # the first start of a build writes its bytecode
        for case in CASES.values():
            run(programs, case)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(rounds):
        order = list(builds.items()) if number % 2 else list(builds.items())[::-1]
        for name, case in CASES.items():
            for build, programs in order:
                found.setdefault((name, build), []).append(run(programs, case))
    return [
        {"": name, "build": build, "ms": median(ms for ms, _ in runs), "MB": max(mb for _, mb in runs)}
        for (name, build), runs in found.items()
    ]


def main() -> None:
    """Measure and print."""
    options = arguments()
    facts = machine()
    warn_if_busy(facts)
    builds = {"this": Path(sys.executable).parent}
    if options.against:
        builds["other"] = options.against
    rows = measure(builds, options.rounds)
    print(table(rows))
    write_json(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
