"""taskiq on Redis: one coroutine does a whole job."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import aiohttp
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import ListQueueBroker

VENDOR = os.environ["BENCH_VENDOR"]
FOLDER = Path(os.environ["BENCH_FOLDER"])
KEY = {"X-API-Key": "sim-key"}
CHECK_INTERVAL_S = 0.25

broker = ListQueueBroker(f"unix://{FOLDER}/redis.sock")
here: dict[str, aiohttp.ClientSession] = {}


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(_: TaskiqState) -> None:
    """Open the session of this process."""
    here["session"] = aiohttp.ClientSession(headers=KEY)


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(_: TaskiqState) -> None:
    """Close it."""
    await here["session"].close()


@broker.task
async def swap(number: int, text: str) -> None:
    """Take one photograph through."""
    session = here["session"]
    order = {"base64": text, "gender": 0, "filter_id": 12}
    async with session.post(f"{VENDOR}/v6/run/face_swap", json=order) as reply:
        job = (await reply.json())["id"]
    status = {"status": "IN_QUEUE"}
    while status["status"] not in {"COMPLETED", "FAILED"}:
        await asyncio.sleep(CHECK_INTERVAL_S)
        async with session.post(f"{VENDOR}/v6/status/{job}") as reply:
            status = await reply.json()
    temporary = FOLDER / f"{number}.temporary"
    temporary.write_bytes(base64.b64decode(status["output"]["images"][0]))  # type: ignore[index]
    temporary.rename(FOLDER / f"{number}.png")
