"""How long after the vendor's work a customer hears of it: from a result that can be had to the webhook that tells.

    make bench-latency                 results of 4.1 MB; 3 slots and 32, 300 jobs each; some three minutes

All moments are those of the wire, by one clock: the vendor's terminal moment, the arrival of the look that was first
told of it, and the arrival of the webhook at its receiver, which is another process. What lies between the first two
is the detection delay, the price of looking seldom (docs/polling.md); what lies between the last two is ours: reading
the result, checking it, storing it, telling.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environment import DOCS, PHOTO_SIZE, photograph, room, stand_in, told_by
from report import keep, machine, percentile, table, warn_if_busy
from swapline_producer import SwapRequest

WARM_UP = 20
"""Jobs whose times are left out: connections are opened, code is loaded."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", default="3,32", help="one run each")
    parser.add_argument("--jobs", type=int, default=300, help="of one run")
    parser.add_argument("--size", type=int, default=4_100_000, help="bytes of a result")
    parser.add_argument("--each", type=float, default=0.4, help="the vendor takes so many seconds for one with 3 slots")
    parser.add_argument("--json", type=Path, default=DOCS / "latency.json")
    return parser.parse_args()


def run(chosen: argparse.Namespace, slots: int) -> dict[str, Any]:
    """Take all jobs through so many slots; gives milliseconds."""
    # The same load whatever the slots: 7.5 jobs a second, a third of what the machine can do. More slots, longer jobs.
    median = chosen.each * slots / 3
    with ExitStack() as opened:
        vendor = opened.enter_context(stand_in(chosen.size, seconds=f"{median},0.3"))
        receiver = opened.enter_context(stand_in(0))
        here = opened.enter_context(room(vendor, slots=slots))
        number = chosen.jobs + WARM_UP
        for _ in range(number):
            request = SwapRequest(image=photograph(PHOTO_SIZE), gender=1, filter_id=12, webhook_url=f"{receiver}/hook")
            here.producer.enqueue(request)
        while len(hooks := told_by(receiver, "hooks")) < number:
            here.still_there()
            here.ended()
            time.sleep(1)
        ends = told_by(vendor, "ends")
    order = sorted(ends, key=lambda name: ends[name][0])[WARM_UP:]
    ours = [(hooks[name][0] - ends[name][1]) * 1000 for name in order]
    detection_delay = [(ends[name][1] - ends[name][0]) * 1000 for name in order]
    return {
        "slots": slots,
        "jobs": len(ours),
        "jobs/s": round(len(ours) / (ends[order[-1]][0] - ends[order[0]][0]), 1),
        "ours p50 ms": round(percentile(ours, 50), 1),
        "p90": round(percentile(ours, 90), 1),
        "p99": round(percentile(ours, 99), 1),
        "most": round(max(ours), 1),
        "detection p50 ms": round(percentile(detection_delay, 50)),
        "detection p99": round(percentile(detection_delay, 99)),
    }


def main() -> None:
    """Run each number of slots, print the table."""
    chosen, here = arguments(), machine()
    found = [run(chosen, int(slots)) for slots in chosen.slots.split(",")]
    print(table(found))
    warn_if_busy(here)
    keep(chosen.json, {"machine": here, "result_bytes": chosen.size, "runs": found})


if __name__ == "__main__":
    main()
