"""What one writes for speed alone: asyncio, aiohttp, uvloop, orjson, pybase64, unsigned PUTs; it stores no state."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pybase64
import uvloop
from runner import AT_ONCE, CHECK_INTERVAL_S, FOLDER, JOBS, KEY, S3, VENDOR, WARM_UP, done, photo, ready

JSON = {**KEY, "Content-Type": "application/json"}


async def swap(session: aiohttp.ClientSession, number: int, slots: asyncio.Semaphore) -> None:
    """Take one photograph through."""
    async with slots:
        text = pybase64.b64encode(photo(number).read_bytes()).decode()
        order = orjson.dumps({"base64": text, "gender": 0, "filter_id": 12})
        async with session.post(f"{VENDOR}/v6/run/face_swap", data=order, headers=JSON) as reply:
            job = orjson.loads(await reply.read())["id"]
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            async with session.post(f"{VENDOR}/v6/status/{job}", headers=KEY) as reply:
                status = orjson.loads(await reply.read())
            if status["status"] == "COMPLETED":
                break
            if status["status"] == "FAILED":
                return
        picture = pybase64.b64decode(status["output"]["images"][0], validate=True)
        if S3:
            async with session.put(f"{S3}/{number}.png", data=picture) as reply:
                reply.raise_for_status()
        else:
            (FOLDER / f"{number}.png").write_bytes(picture)


async def main() -> None:
    """Warm up, then run."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        await asyncio.gather(*(swap(session, n, slots) for n in range(WARM_UP)))
        ready()
        await asyncio.gather(*(swap(session, n, slots) for n in range(WARM_UP, WARM_UP + JOBS)))
        done()


if __name__ == "__main__":
    uvloop.run(main())
