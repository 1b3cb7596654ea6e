"""End the children of a process that died. Run as a script by `death_pipe`, never imported.

Standard input: `+pid` of a child (its process group), `-pid` once it is gone, `.` for an orderly end.
"""

import os
import signal
import sys
import time

GRACE_S = 5.0
"""A worker returns its jobs within it."""


def read_children() -> list[int]:
    """Read the pipe to its end or `.`; return the registered pids, last first."""
    children: dict[int, None] = {}
    for line in sys.stdin.buffer:
        if line.startswith(b"."):
            break
        pid = int(line[1:])
        if line.startswith(b"+"):
            children[pid] = None
        else:
            children.pop(pid, None)
    return list(reversed(children))


def send_signal(target: int, number: int) -> bool:
    """Signal a process (or group, negative); return whether it exists."""
    try:
        os.kill(target, number)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM for a group that has only zombies
        return False
    return True


def end(pids: list[int]) -> None:
    """SIGTERM to leaders, wait, then kill whole groups."""
    for pid in pids:
        send_signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(send_signal(pid, 0) for pid in pids):
        time.sleep(0.02)
    for pid in pids:
        send_signal(-pid, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # a signal to the owner's group must not end the watchdog
    end(read_children())
