"""Runs `taskiq_broker` with two worker processes, its default."""

from __future__ import annotations

import asyncio
import base64
import sys

from runner import AT_ONCE, JOBS, WARM_UP, done, photo, plain_redis, ready, running, wait_for_results


async def main() -> None:
    """Warm up, then run."""
    from taskiq_broker import broker, swap  # noqa: PLC0415 -- it opens its broker by the folder

    await broker.startup()
    for first, last in ((0, WARM_UP), (WARM_UP, WARM_UP + JOBS)):
        if first:
            await asyncio.to_thread(ready)
        for n in range(first, last):
            await swap.kiq(n, base64.b64encode(photo(n).read_bytes()).decode())
        await asyncio.to_thread(wait_for_results, last)
    await broker.shutdown()
    done()


if __name__ == "__main__":
    with (
        plain_redis(),
        running(
            sys.executable, "-m", "taskiq", "worker", "taskiq_broker:broker", "--max-async-tasks", str(AT_ONCE // 2)
        ),
    ):
        asyncio.run(main())
