"""When all is over: what the vendor says, what it sent for each job, and what stands in Redis, written into files."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis

from chaos.environment import PREFIX
from chaos.observer import FINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos.environment import Stage


def settle(stage: Stage, jobs: Sequence[str], *, seconds: float) -> bool:
    """Wait until every job is at rest or held for a person; says whether that happened in time."""
    give_up_at = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < give_up_at:
        try:
            if not unsettled(stage, jobs):
                return True
        except redis.exceptions.RedisError:  # it may just be coming back
            pause.wait(0.5)
        pause.wait(0.2)
    return False


def unsettled(stage: Stage, jobs: Sequence[str]) -> list[str]:
    """The jobs that wait, but for those that wait for a person."""
    with stage.client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hmget(f"{PREFIX}:job:{job}", "state", "notification")
        found = pipe.execute()
    return [
        job
        for job, (state, notification) in zip(jobs, found, strict=True)
        if state not in {*FINISHED, "HELD"} or notification == "PENDING"
    ]


def gather(stage: Stage) -> None:
    """Write the ledgers of the vendor and of ours into the evidence."""
    keys = stage.accounts.keys
    reports = {name: stage.accounts.control(name).report().model_dump(mode="json") for name in keys}
    _write(stage, "vendor", reports)
    pictures = {job["id"]: _picture(stage, job, keys[name]) for name, one in reports.items() for job in one["jobs"]}
    _write(stage, "pictures", pictures)
    found = {key: _read(stage.client, key) for key in stage.client.scan_iter(f"{PREFIX}:*", 1000)}
    _write(stage, "ledger", {key: value for key, value in found.items() if value is not None})


def _write(stage: Stage, name: str, what: object) -> None:
    (stage.evidence / f"{name}.json").write_text(json.dumps(what, indent=1))


def _picture(stage: Stage, job: dict[str, Any], api_key: str) -> str | None:
    """SHA-256 of what the vendor gives for a job, asked directly; None while it is not done."""
    connection = http.client.HTTPConnection(urlsplit(stage.vendor_url).netloc, timeout=30)
    try:
        connection.request("POST", f"/{job['version']}/status/{job['id']}", headers={"X-API-Key": api_key})
        reply = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    images = (reply.get("output") or {}).get("images") or [None]
    return hashlib.sha256(base64.b64decode(images[0])).hexdigest() if images[0] else None


def _scores(client: redis.Redis, key: str) -> dict[str, float]:
    found: list[Any] = client.zrange(key, 0, -1, withscores=True)
    return dict(found)


def _read(client: redis.Redis, key: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "hash": client.hgetall,
        "zset": lambda name: _scores(client, name),
        "list": lambda name: client.lrange(name, 0, -1),
        "string": client.get,
        "none": lambda _: None,  # it has expired since it was listed
    }
    return readers[str(client.type(key))](key)
