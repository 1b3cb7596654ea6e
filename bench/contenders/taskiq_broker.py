"""taskiq on Redis: one coroutine does a whole job."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
from runner import CHECK_INTERVAL_S, FOLDER, KEY, S3, VENDOR, store
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import ListQueueBroker

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
    picture = base64.b64decode(status["output"]["images"][0])  # type: ignore[index]
    if S3:
        async with session.put(f"{S3}/{number}.png", data=picture) as reply:
            reply.raise_for_status()
    else:
        store(number, picture)
