"""What a job costs the server: messages, moves, round trips, flushes; counted by the server, not on paper.

    make bench-round-trips             300 jobs with others waiting, 30 one after another; with webhooks, two polls each

Each load runs twice. In the first run the server counts by itself (INFO): requests read and replies written to
sockets, calls of each command; and the kernel counts the server's writes (/proc/PID/io), of which those that went to no
socket went to the append-only file, each followed by a flush. In the second, MONITOR names each command, each script
and each queue: it would have changed the counts of the first. An idle worker's second is shown separately
and is part of the other numbers; the bench's own commands are not.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from environment import DOCS, Environment, fake_vendor, photograph, recorded_by, running_environment
from report import machine, table, warn_if_busy, write_json
from swapline_producer import SwapRequest
from swapline_producer.ledger import connect

if TYPE_CHECKING:
    from collections.abc import Iterator


SMALL = 20_000
"""Bytes of a photograph and of a result: the server sees neither."""
SLOTS = 32
IDLE = 5.0
"""Seconds for which an idle worker is watched."""
WARM_UP = 10
"""Jobs before the counting: scripts are loaded, connections opened."""
SOCKETS, REPLIES, FLUSHES = "round trips", "replies", "flushes"
MOVES = {"accept", "advance", "cancel", "claim", "release", "line_up", "open", "renew", "take"}
MESSAGES = re.compile(r"\.(submit|poll|finalize|notify)$")
LOADS = ("others wait", "one by one")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=300, help="with others waiting")
    parser.add_argument("--alone", type=int, default=30, help="one after another")
    parser.add_argument("--polls", type=int, default=2, help="polls until a job is done")
    parser.add_argument("--no-webhook", action="store_true")
    parser.add_argument("--json", type=Path, default=DOCS / "round-trips.json")
    return parser.parse_args()


class Monitor(threading.Thread):
    """Listens to MONITOR on a connection of its own, from `with` to its end, and counts."""

    def __init__(self, here: Environment) -> None:
        """Count what all clients ask for, but those of the bench itself that are named `bench`."""
        super().__init__(name="monitor", daemon=True)
        self._client = connect(here.producer.settings.redis_url)
        self._names = {script.sha: name for name, script in here.ledger.scripts._loaded.items()}  # noqa: SLF001 -- who else knows
        self._began, self._ended = threading.Event(), threading.Event()
        self.commands: Counter[str] = Counter()
        """Commands that clients sent, scripts by their names."""
        self.messages: Counter[str] = Counter()
        """Messages that were put on each queue, by the step."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self.start()
        self._began.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Read the remaining commands, and end."""
        self._client.echo(self.name)
        self._ended.wait()
        self._client.close()

    def run(self) -> None:
        """Count until the echo of the end."""
        with self._client.monitor() as commands:
            self._began.set()
            for one in commands.listen():
                if one["command"] == f"ECHO {self.name}":
                    break
                self._count(one["client_type"], one["command"])
        self._ended.set()

    def _count(self, client: str, command: str) -> None:
        words = command.split(" ", 4)
        name = words[0].upper()
        if name in {"LPUSH", "RPUSH"} and (step := MESSAGES.search(words[1])):
            self.messages[step[1]] += 1 if client == "lua" else command.count('"headers"') or 1
        if client == "lua":
            return
        self.commands[self._names.get(words[1], "unknown script") if name == "EVALSHA" else name] += 1


def counted(here: Environment) -> dict[str, float]:
    """Give what server and kernel have counted so far."""
    stats = here.client.info("stats")
    commands = here.client.info("commandstats")
    cpu = here.client.info("cpu")
    written = here.ours["valkey"].io_counters().write_count
    return {
        SOCKETS: stats["total_reads_processed"],
        REPLIES: stats["total_writes_processed"],
        FLUSHES: written - stats["total_writes_processed"],
        "commands, those in scripts among them": sum(one["calls"] for one in commands.values()),
        "server CPU ms": 1000 * (cpu["used_cpu_user"] + cpu["used_cpu_sys"]),
    }


def work(here: Environment, receiver: str, chosen: argparse.Namespace, *, alone: bool) -> int:
    """Take jobs through, and wait without asking the server; return how many."""
    number = chosen.alone if alone else chosen.jobs
    had = done_count(here, receiver, chosen)
    for n in range(number):
        hook = None if chosen.no_webhook else f"{receiver}/hook"
        here.producer.enqueue(SwapRequest(image=photograph(SMALL), gender=1, filter_id=12, webhook_url=hook))
        if alone:
            wait_for(here, receiver, chosen, had + n + 1)
    wait_for(here, receiver, chosen, had + number)
    return number


def done_count(here: Environment, receiver: str, chosen: argparse.Namespace) -> int:
    """Jobs that are done, by what can be seen without the server: webhooks or receipts."""
    if chosen.no_webhook:
        return sum(1 for _ in (here.folder / "store" / "results").rglob("receipt.json"))
    return len(recorded_by(receiver, "hooks"))


def wait_for(here: Environment, receiver: str, chosen: argparse.Namespace, number: int) -> None:
    """Wait until `number` are done, and their last moves are written."""
    while done_count(here, receiver, chosen) < number:
        here.still_there()
        time.sleep(0.02)
    time.sleep(0.05)  # the move that writes it down comes after it


def loads(here: Environment, receiver: str, chosen: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure an idle second, then each load twice; return each by name."""
    before = counted(here)
    time.sleep(IDLE)
    after = counted(here)
    yield "idle, a second", {name: (after[name] - before[name]) / IDLE for name in after}
    for load in LOADS:
        before, alone = counted(here), load == LOADS[1]
        number = work(here, receiver, chosen, alone=alone)
        after = counted(here)
        found: dict[str, Any] = {name: (after[name] - before[name]) / number for name in after}
        with Monitor(here) as monitor:
            number = work(here, receiver, chosen, alone=alone)
        found["messages"] = {name: count / number for name, count in monitor.messages.most_common()}
        found["by clients"] = {name: count / number for name, count in monitor.commands.most_common()}
        yield load, found


def tables(found: dict[str, dict[str, Any]]) -> str:
    """Return the tables of the page."""
    first = [
        {"of a job": name, **{load: round(one[name], 1) for load, one in found.items()}}
        for name in found[LOADS[0]]
        if name not in {"messages", "by clients"}
    ]
    text = [table(first), ""]
    for what in ("messages", "by clients"):
        names = {name: None for load in LOADS for name in found[load][what]}
        rows = [
            {
                what: f"move `{name}`" if name in MOVES else name,
                **{load: round(found[load][what].get(name, 0.0), 2) for load in LOADS},
            }
            for name in names
        ]
        sums = {load: round(sum(found[load][what].values()), 2) for load in LOADS}
        text += [table([*rows, {what: "**together**", **sums}]), ""]
    return "\n".join(text)


def main() -> None:
    """Count, print the tables."""
    chosen, here_found = arguments(), machine()
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(SMALL, chosen.polls))
        receiver = opened.enter_context(fake_vendor(0))
        here = opened.enter_context(running_environment(vendor, slots=SLOTS))
        warm = argparse.Namespace(**vars(chosen) | {"jobs": WARM_UP})
        work(here, receiver, warm, alone=False)
        found = dict(loads(here, receiver, chosen))
        polls = here.ledger.stats.counters().get("polls", 0) / here.ended()
    print(tables(found))
    print(f"{polls:.2f} polls a job.")
    warn_if_busy(here_found)
    write_json(chosen.json, {"machine": here_found, "polls": polls, "loads": found})


if __name__ == "__main__":
    main()
