"""Ends the children of somebody who died without ending them. Run as a script by `death_pipe`, never imported.

Standard input is the leash: `+pid` lines come from children (each leads its own group), `-pid` lines from their owner
once a child is gone, `.` from an owner who is done. The end of the input means that the owner has died. What is still
there then is asked to stop, last started first, and killed when the grace is over.

It imports three small modules and no package of ours, so that it is there 15 ms after it was started.
"""

import os
import signal
import sys
import time

GRACE = 5.0
"""Seconds that children get to stop: a worker gives its jobs back well within it, and nobody waits for us."""


def children_left() -> list[int]:
    """Read the leash until the owner is gone; the pids still on it, last started first."""
    held: dict[int, None] = {}
    for line in sys.stdin.buffer:
        if line.startswith(b"."):
            break
        pid = int(line[1:])
        if line.startswith(b"+"):
            held[pid] = None
        else:
            held.pop(pid, None)
    return list(reversed(held))


def tell(target: int, number: int) -> bool:
    """Send a signal to a child (or to its group, where negative); whether anybody was there to get it."""
    try:
        os.kill(target, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of which only zombies are left
        return False
    return True


def end(pids: list[int]) -> None:
    """Ask each leader, wait until they are gone, then kill whole groups."""
    for pid in pids:
        tell(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(tell(pid, 0) for pid in pids):
        time.sleep(0.02)
    for pid in pids:
        tell(-pid, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # whoever stops the owner's group must not stop its last hope
    end(children_left())
