"""What strangers put on the queues is refused, runs nothing, stops no worker and loses nothing."""

from __future__ import annotations

import base64
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import redis

from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def message(body: bytes, content_type: str, **headers: object) -> str:
    """A message as it lies on a queue."""
    properties = {
        "correlation_id": "evil",
        "delivery_info": {"exchange": "", "routing_key": "submit"},
        "delivery_tag": "evil",
        "body_encoding": "base64",
        "delivery_mode": 2,
        "priority": 0,
    }
    task = {"lang": "py", "task": "swapline.submit", "id": "evil", "argsrepr": "", "kwargsrepr": "", **headers}
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content_type,
            "headers": task,
            "properties": properties,
        }
    )


def bodies(path: Path) -> list[str | bytes]:
    plain = json.dumps([["no such job", 1], {}, {}]).encode()
    deep = b"[" * 100_000 + b"]" * 100_000
    return [
        message(pickle.dumps(((Evil(path),), {}, {})), "application/x-python-serialize"),
        message(pickle.dumps(((Evil(path),), {}, {})), "application/json"),
        message(b"!!python/object/apply:os.system ['touch']", "application/x-yaml"),
        message(plain, "application/json", task="os.system"),
        message(plain, "application/json", task="swapline.unknown"),
        message(json.dumps([[{"a": 1}, None, 3], {"x": 1}, {}]).encode(), "application/json"),
        message(json.dumps([["0" * 32, "1; FLUSHALL"], {}, {}]).encode(), "application/json"),
        message(json.dumps("no list").encode(), "application/json"),
        message(deep, "application/json"),
        message(b"\xff\xfe", "application/json"),
        message(plain, "application/json", id=None),
        message(plain, "application/json", id=7, retries="many", timelimit="none", eta="tomorrow"),
        "no JSON",
        "{}",
        "[]",
        "[" * 100_000,
        json.dumps({"body": "!", "headers": {}, "properties": {"delivery_tag": "x"}}),
        b"\xff\xfe\x00",
    ]


def test_only_json_is_accepted_and_nothing_that_lies_on_a_queue_stops_a_worker(
    installation: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "the-command-ran"
    client: Any = redis.Redis.from_url(installation.valkey.url)
    with installation.worker() as worker:
        client.lpush(f"{installation.prefix}.submit", *bodies(path))
        job = installation.run(image=sample_photographs()[0], gender=0, filter_id=1)
        waited_for(lambda: client.llen(f"{installation.prefix}.submit") == 0)
        assert job.state is State.SUCCEEDED
        assert worker.child.poll() is None
        assert installation.run(image=sample_photographs()[0], gender=0, filter_id=2).state is State.SUCCEEDED
    assert not path.exists()
    assert "Refusing to deserialize" in worker.log() or "disallowed content" in worker.log()
    client.close()


def test_hostile_replies_do_not_make_a_worker_grow(installation: Installation) -> None:
    """Each is read three times; no more than a reply's limit (64 MiB) is ever in memory, once or twice over."""
    with installation.worker("-c", "1") as worker:
        installation.run(image=sample_photographs()[0], gender=0, filter_id=1)
        before = peak(worker.child.pid)
        for mode, amount in (("result_gzip_bomb", 512), ("result_huge", 100)):
            installation.vendor.control.set_mode(mode, amount=amount)
            job = installation.run(image=sample_photographs()[0], gender=0, filter_id=1)
            assert (job.state, job.failure_code) == (State.FAILED, "OUTPUT_INVALID")
        grown = peak(worker.child.pid) - before
    assert grown < 250 * 1024**2, f"it grew by {grown / 1024**2:.0f} MiB"


def test_words_of_the_vendor_do_not_make_redis_grow(installation: Installation) -> None:
    """Statuses of 4 MB at every poll, until the run timeout."""
    installation.more["SWAPLINE_POLL_MAX_INTERVAL"] = "0.3"
    client: Any = redis.Redis.from_url(installation.valkey.url)
    producer = installation.producer()
    with installation.worker():
        installation.run(image=sample_photographs()[0], gender=0, filter_id=1)
        before = client.info("memory")["used_memory"]
        installation.vendor.control.set_mode("status_long")
        request = SwapRequest(image=sample_photographs()[0], gender=0, filter_id=1, run_timeout=5)
        enqueued = [producer.enqueue(request).job_id for _ in range(3)]
        jobs = [producer.wait(job_id, timeout=60) for job_id in enqueued]
        grown = client.info("memory")["used_memory"] - before
    assert {(job.state, job.failure_code) for job in jobs} == {(State.TIMED_OUT, "VENDOR_STATUS_INVALID")}
    assert min(job.polls for job in jobs) > 3
    assert grown < 1024**2, f"it grew by {grown / 1024:.0f} KiB"
    client.close()


def test_a_hundred_thousand_pictures_are_none(installation: Installation) -> None:
    with installation.worker("-c", "1") as worker:
        installation.run(image=sample_photographs()[0], gender=0, filter_id=1)
        before = peak(worker.child.pid)
        installation.vendor.control.set_mode("result_many")
        url = installation.receiver.url
        job = installation.run(image=sample_photographs()[0], gender=0, filter_id=1, webhook_url=url)
        assert (job.state, job.failure_code, job.images) == (State.FAILED, "OUTPUT_TOO_MANY", ())
        assert installation.receiver.next()[1].data.failure_code == "OUTPUT_TOO_MANY"
        grown = peak(worker.child.pid) - before
    assert len(list(installation.store.rglob("*.png"))) == 1
    assert grown < 100 * 1024**2, f"it grew by {grown / 1024**2:.0f} MiB"


def test_sixteen_pictures_are_stored_and_delivered(installation: Installation) -> None:
    installation.vendor.control.set_mode("result_many", amount=16)
    with installation.worker():
        job = installation.run(
            image=sample_photographs()[0], gender=0, filter_id=1, webhook_url=installation.receiver.url
        )
        assert (job.state, len(job.images)) == (State.SUCCEEDED, 16)
        assert [image.key for image in installation.receiver.next()[1].data.images] == [i.key for i in job.images]


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 -- no file, but the kernel's word
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
