"""Sample running processes: memory, files, threads and CPU of each, and the server's memory."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psutil
    import redis

MB = 1e6


class Reading(NamedTuple):
    """One sample of one process."""

    rss: int
    """Bytes of memory that it has touched, those that it shares among them."""
    pss: int
    """The same, each shared page divided by the number of those who share it."""
    files: int
    threads: int
    cpu: float
    """Seconds, since it began."""


class Sample(NamedTuple):
    """One sample of all processes."""

    at: float
    """Seconds since the watch began."""
    processes: dict[str, Reading]
    redis: int
    """Bytes that the server has given to its data; 0 without a client."""
    jobs: int
    """What `count` gave then: jobs that had ended, or were in flight; 0 without `count`."""

    @property
    def rss(self) -> int:
        """Bytes of all processes together."""
        return sum(one.rss for one in self.processes.values())

    @property
    def pss(self) -> int:
        """The same, what they share counted once."""
        return sum(one.pss for one in self.processes.values())


def read(process: psutil.Process) -> Reading:
    """Sample a process. Raises psutil.NoSuchProcess, or FileNotFoundError, where it has gone."""
    rollup = Path(f"/proc/{process.pid}/smaps_rollup")
    pss = re.search(r"^Pss:\s+(\d+) kB", rollup.read_text(), re.MULTILINE) if rollup.exists() else None
    rss = process.memory_info().rss
    return Reading(
        rss=rss,
        pss=int(pss[1]) * 1024 if pss else rss,  # only Linux tells
        files=process.num_fds(),
        threads=process.num_threads(),
        cpu=sum(process.cpu_times()[:2]),
    )


class Watch(threading.Thread):
    """Samples at an interval, from `with` to its end; keeps all samples."""

    def __init__(
        self,
        ours: Mapping[str, psutil.Process],
        client: redis.Redis | None = None,
        *,
        every: float,
        count: Callable[[], int] = int,
    ) -> None:
        """Watch these; the server's memory as well where a client is given. `count` counts jobs."""
        super().__init__(name="watch", daemon=True)
        self._ours, self._client, self._every, self._count = dict(ours), client, every, count
        self._stopped = threading.Event()
        self._began = time.monotonic()
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._began = time.monotonic()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with a last sample."""
        self._stopped.set()
        self.join()
        self._sample()

    def run(self) -> None:
        """Sample until the end."""
        while not self._stopped.is_set():
            self._sample()
            self._stopped.wait(self._every)

    def most(self) -> Sample:
        """Return the sample with the most memory of all processes."""
        return max(self.samples, key=lambda sample: sample.rss)

    def _sample(self) -> None:
        at = time.monotonic() - self._began
        stored = 0 if self._client is None else self._client.info("memory")["used_memory"]
        found = {name: read(process) for name, process in self._ours.items()}
        self.samples.append(Sample(at, found, stored, self._count()))


def kernels_peak(process: psutil.Process) -> int:
    """Return the most memory that the kernel ever saw a process with, in bytes: no sample is needed. Linux only."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else process.memory_info().rss
