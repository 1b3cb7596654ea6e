"""Measure the time from the vendor's result to the webhook.

    make bench-latency                 results of 4.1 MB; 3 slots and 32, 300 jobs each; some three minutes

All times are taken on the wire of one host: the end of the job at the vendor, the arrival of the first poll that
receives it, and the arrival of the webhook at its receiver, another process. Between the first two is the detection
delay (docs/polling.md); between the last two Swapline reads, checks and stores the result, and delivers.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environment import DOCS, PHOTO_SIZE, fake_vendor, photograph, recorded_by, running_environment
from report import machine, percentile, table, warn_if_busy, write_json
from swapline_producer import SwapRequest

WARM_UP = 20
"""Jobs whose times are left out: connections are opened, code is loaded."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", default="3,32", help="one run each")
    parser.add_argument("--jobs", type=int, default=300, help="of one run")
    parser.add_argument("--size", type=int, default=4_100_000, help="bytes of a result")
    parser.add_argument("--each", type=float, default=0.4, help="seconds that the vendor takes with 3 slots")
    parser.add_argument("--json", type=Path, default=DOCS / "latency.json")
    return parser.parse_args()


def run(chosen: argparse.Namespace, slots: int) -> dict[str, Any]:
    """Run all jobs with `slots` slots; gives milliseconds."""
    # The same load whatever the slots: 7.5 jobs a second, a third of what the machine can do. More slots, longer jobs.
    median = chosen.each * slots / 3
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(chosen.size, seconds=f"{median},0.3"))
        receiver = opened.enter_context(fake_vendor(0))
        here = opened.enter_context(running_environment(vendor, slots=slots))
        number = chosen.jobs + WARM_UP
        for _ in range(number):
            request = SwapRequest(image=photograph(PHOTO_SIZE), gender=1, filter_id=12, webhook_url=f"{receiver}/hook")
            here.producer.enqueue(request)
        while len(hooks := recorded_by(receiver, "hooks")) < number:
            here.still_there()
            here.ended()
            time.sleep(1)
        ends = recorded_by(vendor, "ends")
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
    write_json(chosen.json, {"machine": here, "result_bytes": chosen.size, "runs": found})


if __name__ == "__main__":
    main()
