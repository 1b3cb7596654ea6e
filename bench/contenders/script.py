"""One asyncio + aiohttp + uvloop script: nothing is kept, nothing is tried again."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
import uvloop
from runner import AT_ONCE, CHECK_INTERVAL_S, FOLDER, JOBS, KEY, S3, VENDOR, WARM_UP, done, photo, ready


async def swap(session: aiohttp.ClientSession, number: int, breaker: asyncio.Semaphore) -> None:
    """Take one photograph through."""
    async with breaker:
        text = base64.b64encode(photo(number).read_bytes()).decode()
        order = {"base64": text, "gender": 0, "filter_id": 12}
        async with session.post(f"{VENDOR}/v6/run/face_swap", json=order) as reply:
            job = (await reply.json())["id"]
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            async with session.post(f"{VENDOR}/v6/status/{job}") as reply:
                status = await reply.json()
            if status["status"] == "COMPLETED":
                break
            if status["status"] == "FAILED":
                return
        picture = base64.b64decode(status["output"]["images"][0])
        if S3:
            async with session.put(f"{S3}/{number}.png", data=picture) as reply:
                reply.raise_for_status()
        else:
            (FOLDER / f"{number}.png").write_bytes(picture)


async def main() -> None:
    """Warm up, then run."""
    breaker = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(headers=KEY, connector=connector) as session:
        await asyncio.gather(*(swap(session, n, breaker) for n in range(WARM_UP)))
        ready()
        await asyncio.gather(*(swap(session, n, breaker) for n in range(WARM_UP, WARM_UP + JOBS)))
        done()


if __name__ == "__main__":
    uvloop.run(main())
