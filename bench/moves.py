"""What a job's moves cost, by move: CPU of the server and of the client, commands, and bytes of the append-only file.

python bench/moves.py [--jobs 1000]
Drives whole lives (two polls, a stored picture, no webhook, fifty jobs waiting) through the ledger alone, one call
after the other. Of each move the cheaper half of its calls counts: the rest is the machine's other work. PYTHONPATH may
name another version's producer and workers, to compare.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict, deque
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from swapline_producer.contract import JobSpec, NewJob, State, StoredImage, StoredPicture, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.ledger import Ledger, connect
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.schedule.histogram import observed
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_producer.contract import Job, StepMessage
    from swapline_producer.contract.changes import Change

T = TypeVar("T")
WAITING, AT_ONCE, CLAIMED = 50, 10, 3
"""Jobs in line, slots, and entries of one claim: about what a busy worker has."""
WARM_UP = 100
RUN, RESCUE = 1800.0, 15.0


class Life:
    """Jobs on their way, and what each call cost."""

    def __init__(self, ledger: Ledger, server: int, jobs: int) -> None:
        """`server` is the process id of the ledger's; at most `jobs` jobs are enqueued."""
        self.ledger, self.server, self.left = ledger, server, jobs
        self.accepted = self.done = 0
        self.messages: deque[tuple[str, int]] = deque()
        self.cost: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def _spent(self) -> int:
        """Nanoseconds of CPU that the server has had."""
        return int(Path(f"/proc/{self.server}/schedstat").read_text().split()[0])

    def timed(self, name: str, call: Callable[..., T], *given: Any) -> T:
        """Make one call, and note what it cost both sides."""
        server, client = self._spent(), time.process_time_ns()
        answer = call(*given)
        client = time.process_time_ns() - client
        self.cost[name].append((self._spent() - server, client))
        return answer

    def enqueue(self) -> None:
        """Accept one job with a stored picture."""
        number, self.accepted = self.accepted, self.accepted + 1
        job_id, digest = f"{number:032d}", sha256(str(number).encode()).hexdigest()
        image = StoredImage(sha256=digest, media_type="image/jpeg", width=1500, height=2000, size=225_000)
        spec = JobSpec(image=image, gender=0, filter_id=12).model_dump(mode="json", exclude_none=True)
        new = NewJob(job_id, spec, fingerprint="", queue_ttl=86_400, run_timeout=RUN, stored_after=0)
        accepted = self.timed("accept", self.ledger.intake.accept, new)
        if hasattr(accepted, "messages"):
            self._send(accepted.messages)
        else:  # versions before 0038 sent a message for each
            self.messages.append((job_id, 1))

    def _send(self, messages: Iterable[StepMessage]) -> None:
        self.messages += [(message.job_id, message.version) for message in messages]

    def _moved(self, name: str, job: Job, change: Change) -> Job:
        advanced = self.timed(name, self.ledger.transitions.advance, job, change)
        if not isinstance(advanced, Advanced):
            raise SystemExit(f"{name}: another process moves these jobs")
        self._send(advanced.granted)
        return advanced.job

    def work(self) -> None:
        """Read one message and do what the step does, but for the vendor and the store."""
        job_id, version = self.messages.popleft()
        opened = self.timed("open", self.ledger.transitions.open, job_id, version)
        if opened is None:
            raise SystemExit("another process moves these jobs")
        job = opened.job
        if job.state is State.QUEUED:
            self._send(self.timed("line_up", self.ledger.transitions.line_up, job) or ())
        elif job.state is State.SUBMITTING:
            self._submit(job)
        elif not job.polls:
            self._sample(job)
        else:
            self._collect(job)

    def _submit(self, job: Job) -> None:
        job = self._moved("attempt", job, transitions.attempted(job, rescue_after=RESCUE))
        self._moved("accepted", job, transitions.submitted(job, job.job_id, "IN_QUEUE", poll_in=0))

    def _sample(self, job: Job) -> None:
        self._moved("poll", job, transitions.polled(job, "IN_PROGRESS", poll_in=0, count={"polls.instant": 1}))

    def _collect(self, job: Job) -> None:
        spread = observed(1.0, 1.4)
        completed = transitions.completed(
            job,
            rescue_after=RESCUE,
            service_times={"v6:-:single:-": spread, "all": spread},
            detection_delay=0.2,
        )
        job = self._moved("slot passed on", job, completed)
        key = f"results/default/2026/11/22/{job.job_id}/0.png"
        picture = StoredPicture(key=key, sha256="ab" * 32, bytes=200_000, width=1024, height=1024)
        self._moved("stored", job, transitions.succeeded(job, (picture,), rescue_after=RESCUE))
        self.done += 1
        if self.accepted < self.left:
            self.enqueue()

    def go_on(self, until: int) -> None:
        """Work until `number` jobs are done."""
        while self.done < until:
            while self.messages:
                self.work()
            claimed = self.timed("claim", lambda: self.ledger.transitions.claim(ROUTES, limit=CLAIMED))
            self._send(claimed.messages)


def _typical(costs: list[int]) -> float:
    """Microseconds."""
    cheaper = sorted(costs)[: max(1, len(costs) // 2)]
    return sum(cheaper) / len(cheaper) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    jobs = parser.parse_args().jobs
    with TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey") as valkey:
        ledger = Ledger(connect(valkey.url))
        info: Callable[[str], Any] = ledger.client.info
        ledger.limits.configure(Limits(max_in_flight=AT_ONCE, rescue_after=RESCUE))
        life = Life(ledger, info("server")["process_id"], jobs + WARM_UP + WAITING)
        for _ in range(WAITING):
            life.enqueue()
        life.go_on(WARM_UP)
        life.cost.clear()
        ledger.client.config_resetstat()
        bytes_before = info("persistence")["aof_current_size"]
        life.go_on(WARM_UP + jobs)
        calls = sum(len(costs) for costs in life.cost.values())
        commands = sum(one["calls"] for name, one in info("commandstats").items() if name != "cmdstat_evalsha")
        log_bytes = info("persistence")["aof_current_size"] - bytes_before
    moves = {
        name: {
            "a_job": round(len(costs) / jobs, 2),
            "server_us": round(_typical([server for server, _ in costs])),
            "client_us": round(_typical([client for _, client in costs])),
        }
        for name, costs in life.cost.items()
    }
    for name, one in moves.items():
        print(json.dumps({"move": name, **one}))
    sums = {"moves": calls / jobs, "commands": commands / jobs, "log_bytes": log_bytes / jobs}
    for side in ("server", "client"):
        sums[f"{side}_ms"] = sum(one["a_job"] * one[f"{side}_us"] for one in moves.values()) / 1000
    print(json.dumps({"a_job": {name: round(number, 2) for name, number in sums.items()}}))


if __name__ == "__main__":
    main()
