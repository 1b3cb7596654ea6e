"""`swapline alive`: whether a worker on this host works on jobs, for probes and for people.

swapline alive /run/swapline/worker.heartbeat           # or SWAPLINE_HEARTBEAT_FILE in the environment
python -m swapline_workers.alive                    # the same, four times as fast: for probes
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import click

from swapline_producer.foreign_text import visible
from swapline_workers.core.liveness import Liveness, liveness_problem, readiness_problem


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), envvar="SWAPLINE_HEARTBEAT_FILE")
@click.option("--ready", is_flag=True, help="Also fail while it takes no jobs: broker or ledger away, or stopping.")
@click.option("--silent-within", type=float, help="Seconds it may be silent.  [default: 30; its main thread 60]")
@click.option("--stuck-within", type=float, help="Seconds one job may take.  [default: from its timeouts]")
@click.option(
    "--claimed-within", type=float, help="Seconds without a claim.  [default: 120, and the time between two claims]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def alive(file: Path, *, ready: bool, as_json: bool, **within: float | None) -> None:
    """Tell whether the worker that shows itself in FILE works on jobs, not only whether its process exists.

    \b
    A worker whose Redis is away is alive for two minutes: it waits. Exit codes: 0 it works, 1 it does not.
    Example: swapline alive /run/swapline/worker.heartbeat
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    liveness, wrong = examine(file, ready=ready, **within)
    if as_json:
        facts = {"alive": wrong is None, "why": wrong, "pid": liveness and liveness.pid}
        click.echo(json.dumps(facts | {"jobs_leased": liveness and len(liveness.busy_since)}))
    elif wrong is None:
        click.echo(f"The worker (pid {liveness.pid if liveness else '?'}) works.")
    else:
        click.echo(f"swapline: {visible(wrong)}.", err=True)
    sys.exit(0 if wrong is None else 1)


def examine(
    file: Path,
    *,
    ready: bool = False,
    silent_within: float | None = None,
    stuck_within: float | None = None,
    claimed_within: float | None = None,
) -> tuple[Liveness | None, str | None]:
    """Return a worker's heartbeat, and its problem or None. Limits (seconds) replace its own."""
    try:
        liveness = Liveness.read(file.read_text())
    except FileNotFoundError:
        return (
            None,
            f"No worker shows itself in {file}; it has not started yet, or SWAPLINE_HEARTBEAT_FILE names another file",
        )
    except (OSError, ValueError) as error:
        return None, f"{file} cannot be read: {error}"
    liveness = dataclasses.replace(
        liveness,
        silent_within=liveness.silent_within if silent_within is None else silent_within,
        consumer_within=liveness.consumer_within if silent_within is None else silent_within,
        busy_within=liveness.busy_within if stuck_within is None else stuck_within,
        claimed_within=liveness.claimed_within if claimed_within is None else claimed_within,
    )
    wrong = (readiness_problem if ready else liveness_problem)(liveness, time.monotonic())
    return liveness, None if wrong is None else f"The worker (pid {liveness.pid}) does not work: {wrong}"


if __name__ == "__main__":
    alive()
