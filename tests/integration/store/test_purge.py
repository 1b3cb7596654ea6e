"""A purge leaves nothing of a job: not in Redis, not in the store, and no worker brings anything back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.fakes import FakeStatusReply, FakeVendor, World
from support.jobs.publishers import NullPublisher
from support.ledgers.retention import Place
from support.pictures.pngs import png
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import JobNotFound
from swapline_producer.ledger import connect
from swapline_producer.retention.purge import Purge, PurgeSelector
from swapline_producer.storage.keys import OWNER
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.outcomes import STALE
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.finalize import finalize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.programs.installation import Installation, Receiver
    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage
    from swapline_workers.core.picture_memory import Picture

FACE = png(40, 40, seed=99)
EVERYWHERE: dict[str, object] = {
    "tenant": "canary-tenant",
    "metadata": {"canary-metadata-name": "canary-metadata-value"},
    "idempotency_key": "canary-idempotency",
    "batch": "canary-batch",
}
WORDS = re.compile(rb"canary", re.IGNORECASE)


def dump(installation: Installation) -> dict[str, list[bytes]]:
    """Every key of this installation as the server itself writes it out, and its name."""
    import redis  # noqa: PLC0415 -- bytes, not text: the ledger's own client decodes

    client: Any = redis.Redis.from_url(installation.valkey.url)
    found: dict[str, list[bytes]] = {}
    for name in client.scan_iter(f"*{installation.prefix}*", count=1000):
        parts: list[bytes] = [name]
        kind = client.type(name)
        if kind == b"hash":
            parts += [one for pair in client.hgetall(name).items() for one in pair]
        elif kind == b"zset":
            parts += [member for member, _ in client.zrange(name, 0, -1, withscores=True)]
        elif kind == b"list":
            parts += client.lrange(name, 0, -1)
        elif kind == b"set":
            parts += client.smembers(name)
        elif kind == b"stream":
            parts += [repr(entry).encode() for entry in client.xrange(name)]
        else:
            parts.append(client.get(name) or b"")  # it may have expired in this moment
        parts.append(client.dump(name) or b"")
        found[name.decode()] = parts
    client.close()
    return found


def traces(installation: Installation, *job_ids: str) -> list[str]:
    """Keys that still say something of the person, or (but for tombstones) of the jobs."""
    words = re.compile(b"|".join([WORDS.pattern, *(job_id.encode() for job_id in job_ids)]), re.IGNORECASE)
    return sorted(
        name
        for name, parts in dump(installation).items()
        if any((WORDS if ":tomb:" in name else words).search(part) for part in parts)
    )


def stored(installation: Installation) -> list[str]:
    """What the store has, but for the owner's mark."""
    found = (path.relative_to(installation.store).as_posix() for path in installation.store.rglob("*"))
    return sorted(name for name in found if name != OWNER and (installation.store / name).is_file())


def everything(receiver: Receiver, **more: object) -> SwapRequest:
    return SwapRequest(image=FACE, gender=0, filter_id=1, webhook_url=f"{receiver.url}?canary=url", **EVERYWHERE | more)


def test_after_a_purge_no_word_of_the_job_is_left_in_redis_or_in_the_store(
    installation: Installation, receiver: Receiver
) -> None:
    producer = installation.producer()
    with installation.worker() as worker:
        job_id = producer.enqueue(everything(receiver)).job_id
        assert producer.wait(job_id, timeout=60).state is State.SUCCEEDED
        receiver.next()
        waited_for(lambda: producer.get(job_id).notification == "DELIVERED")
        assert traces(installation, job_id)
        assert stored(installation)
        counted = installation.cli("jobs", "purge", "--job", job_id, "--dry-run", "--json")
        assert json.loads(counted.stdout)["jobs"] == 1
        assert producer.get(job_id)
        refused = installation.cli("jobs", "purge", "--job", job_id)
        assert (refused.returncode, "cannot be undone" in refused.stdout + refused.stderr) == (1, True)
        done = installation.cli("jobs", "purge", "--job", job_id, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "jobs": 1, "promised": [], "unknown": [], "webhooks": 0, "objects": 2, "forgotten": 0,
        }  # fmt: skip
        assert traces(installation, job_id) == []
        assert stored(installation) == []
        again = installation.cli("jobs", "purge", "--job", job_id, "--yes")
        assert (again.returncode, "was purged on" in again.stderr) == (1, True)
    log_text = worker.log().replace("canary-tenant", "")  # a tenant's name is in each line, so it must be no person's
    assert [line for line in log_text.splitlines() if WORDS.search(line.encode())] == []


def test_after_a_purge_the_servers_own_files_are_without_it_as_well(
    installation: Installation, receiver: Receiver, tmp_path: Path
) -> None:
    with EmbeddedValkey(tmp_path / "own") as own:
        mine = replace(installation, valkey=own)
        producer = mine.producer()
        job_id = producer.enqueue(everything(receiver)).job_id
        producer.cancel(job_id)
        assert WORDS.search(on_disk(own))
        done = mine.cli("jobs", "purge", "--tenant", "canary-tenant", "--yes")
        assert done.returncode == 0, done.stderr
        with connect(own.url) as client:
            waited_for(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
            waited_for(lambda: client.info("persistence")["aof_rewrite_scheduled"] == 0)
            client.save()
        assert WORDS.search(on_disk(own)) is None
        assert job_id.encode() in on_disk(own)  # its tombstone: the search finds what is there


def on_disk(server: EmbeddedValkey) -> bytes:
    """Everything that a server has written: its append-only files, and its dump where there is one."""
    return b"\n".join(path.read_bytes() for path in Path(server.folder).rglob("*") if path.is_file())


def test_a_job_that_the_vendor_has_is_purged_when_it_is_done_and_no_webhook_is_sent(
    installation: Installation, receiver: Receiver
) -> None:
    installation.vendor.control.change(service_time="fixed:2")
    producer = installation.producer()
    with installation.worker() as worker:
        job_id = producer.enqueue(everything(receiver)).job_id
        waited_for(lambda: producer.get(job_id).state is State.RUNNING)
        report = Purge(producer.ledger, producer.publisher, producer.storage).run(PurgeSelector(job_ids=(job_id,)))
        assert (report.jobs, report.promised) == (0, [job_id])
        words = [name for name in traces(installation) if not name.endswith(f":job:{job_id}")]
        assert [name for name in words if "line" not in name and "spent" not in name and "batch" not in name] == []
        waited_for(lambda: producer.ledger.retention.promised() == 0)
        with pytest.raises(JobNotFound, match="was purged on"):
            producer.get(job_id)
        waited_for(lambda: stored(installation) == [])
        assert traces(installation, job_id) == []
    assert receiver.raw == []
    assert "Traceback" not in worker.log()


def test_the_command_says_by_its_exit_code_that_a_job_is_still_with_the_vendor(
    installation: Installation, receiver: Receiver
) -> None:
    producer = installation.producer()
    job_id = producer.enqueue(everything(receiver)).job_id
    at_the_vendor = Change(to=State.RUNNING, fields={"vendor_job_id": "v"}, stamps={"run_until": 60}, due_in=60)
    assert isinstance(producer.ledger.transitions.advance(producer.get(job_id), at_the_vendor), Advanced)
    done = installation.cli("jobs", "purge", "--job", job_id, "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["promised"]) == (3, [job_id])
    assert producer.get(job_id).spec.metadata == {}


def test_a_worker_that_was_suspended_in_a_step_brings_nothing_back(
    installation: Installation, receiver: Receiver
) -> None:
    """It wakes up with pictures in its hands, and the job has been stored by another worker, and purged."""
    installation.more = {"SWAPLINE_RESCUE_AFTER": "1"}
    producer = installation.producer()
    with installation.worker() as sleeper:
        installation.vendor.control.change(service_time="fixed:0.3")
        job_id = producer.enqueue(everything(receiver)).job_id
        waited_for(lambda: producer.get(job_id).state in {State.RUNNING, State.STORING, State.SUCCEEDED})
        with sleeper.frozen(), installation.worker():
            assert producer.wait(job_id, timeout=60).state is State.SUCCEEDED
            assert installation.cli("jobs", "purge", "--job", job_id, "--yes").returncode == 0
            assert stored(installation) == []
        # Awake: its next move is stale, and what it wrote is an orphan.
        waited_for(lambda: stored(installation) == [] and traces(installation, job_id) == [])
    assert stored(installation) == []
    assert traces(installation, job_id) == []


class Suspended(PictureStore):
    """The store of a worker that is suspended just before it writes; `meanwhile` others work."""

    def __init__(self, place: Place, meanwhile: Callable[[], object]) -> None:
        super().__init__(place.storage)
        self.meanwhile = meanwhile

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        self.meanwhile()
        super().store(job, pictures)


def test_results_that_were_written_after_the_purge_go_as_well(ledger: Ledger, storage: Storage) -> None:
    place = Place(ledger, storage)
    job = place.storing()

    def others_end_and_purge_it() -> None:
        place.failed(job)
        Purge(ledger, NullPublisher(), storage).run(PurgeSelector(job_ids=(job.job_id,)))
        assert place.objects() == set()

    world = World(vendor=FakeVendor(seen=FakeStatusReply("COMPLETED", [png()])))
    session = JobSession(ledger, NullPublisher(), schedule_wakeup=lambda _: None)
    ports = replace(
        world.ports, writes=session.writes, view=session.view, pictures=Suspended(place, others_end_and_purge_it)
    )
    assert finalize(job, 0, ports) == STALE
    assert place.objects()
    place.sweep.all_due()
    assert place.objects() == set()
    assert ledger.stats.census()[State.STORING] == 0
