"""The vendor that all contenders share: one cheap process, whose cost is not counted.

It answers a submission with an id, a status call with IN_PROGRESS until the job's last poll, then with a picture
of the requested size, the same bytes each time. It checks nothing. It is the object storage as well (s3_sink.py).

    python bench/fake_vendor.py --size 4100000 --polls 2      prints its URL
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import math
import random
import struct
import time
import zlib
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import uvloop
from aiohttp import web

from s3_sink import S3Sink

WIDTH, HEIGHT = 1200, 1800
"""What the vendor's page promises."""
CHUNK = 65_536
"""Bytes of pixel data in a chunk, as Pillow writes them."""


def picture(size: int) -> bytes:
    """Return a PNG of about `size` bytes: 1200 x 1800 pixels, or fewer or more if the size requires it."""
    rng = random.Random(7)
    width, height, bare = WIDTH, HEIGHT, 28_300  # bytes of a black one
    if size < bare:
        width, height, bare = WIDTH // 10, HEIGHT // 10, 400
    elif size > 3 * WIDTH * HEIGHT:
        height *= 2
    noisy, row = max(0, size - bare) // height, 3 * width
    rows = b"".join(b"\0" + rng.randbytes(min(noisy, row)) + bytes(max(0, row - noisy)) for _ in range(height))
    pixels = zlib.compress(rows, 1)
    parts = [_chunk(b"IDAT", pixels[at : at + CHUNK]) for at in range(0, len(pixels), CHUNK)]
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@dataclass
class Submitted:
    """One job: its submission, service time and polls."""

    at: float
    service: float
    polls: int = 0


class FakeVendor:
    """All jobs of one run."""

    def __init__(self, size: int, polls: int, seconds: str, start_after: int) -> None:
        """A job is done at its `polls`th poll, or, with `seconds` (median,sigma), after a time.

        No time passes for any job before `start_after` jobs have been submitted: all are in flight at once. From
        then on they are done as if jobs had come and gone for long: each after a random part of its time.
        """
        self._picture = base64.b64encode(picture(size))
        self._polls = polls
        self._median, self._sigma = map(float, seconds.split(",")) if seconds else (0.0, 0.0)
        self._rng = random.Random(11)
        self._numbers = count(1)
        self._jobs: dict[str, Submitted] = {}
        self._start_after, self._opened_at = start_after, math.inf
        self._seen: defaultdict[str, list[float]] = defaultdict(list)
        self._ends: dict[str, tuple[float, float]] = {}
        self._hook_times: defaultdict[str, list[float]] = defaultdict(list)

    async def submit(self, request: web.Request) -> web.Response:
        """Accept a job."""
        await request.read()
        job = f"job-{next(self._numbers)}"
        service = self._median * 2.718281828 ** self._rng.gauss(0, self._sigma)
        part = self._rng.random() if self._opened_at == math.inf and self._start_after else 1.0
        self._jobs[job] = Submitted(time.monotonic(), service * part)
        if len(self._jobs) >= self._start_after:
            self._opened_at = min(self._opened_at, time.monotonic())
        return web.json_response({"id": job, "status": "IN_QUEUE"})

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Return a job's status."""
        name = request.match_info["job"]
        job = self._jobs.get(name)
        if job is None:
            return web.json_response({"error": "unknown job"}, status=404)
        job.polls += 1
        self._seen[name].append(time.time())
        done_at = max(job.at, self._opened_at) + job.service
        if job.polls < self._polls or time.monotonic() < done_at:
            return web.json_response({"id": name, "status": "IN_PROGRESS"})
        self._ends.setdefault(name, (time.time() - time.monotonic() + done_at, self._seen[name][-1]))
        head, tail = f'{{"id":"{name}","status":"COMPLETED","output":{{"images":["'.encode(), b'"]}}'
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        reply.content_length = len(head) + len(self._picture) + len(tail)
        with suppress(ConnectionError):  # the caller is gone: a bench that has finished ends its workers
            await reply.prepare(request)
            for part in (head, self._picture, tail):
                await reply.write(part)
        return reply

    async def polls(self, _request: web.Request) -> web.Response:
        """Return the times of each job's polls."""
        return web.json_response(self._seen)

    async def ends(self, _request: web.Request) -> web.Response:
        """Return when each job was done, and when the first poll that received it arrived."""
        return web.json_response(self._ends)

    async def hook(self, request: web.Request) -> web.Response:
        """Receive a webhook."""
        body = await request.read()
        self._hook_times[json.loads(body)["data"].get("vendor_job_id") or ""].append(time.time())
        return web.Response(status=204)

    async def hooks(self, _request: web.Request) -> web.Response:
        """Return the times of each job's webhooks."""
        return web.json_response(self._hook_times)


async def main() -> None:
    """Serve until the end of standard input's other side, or a signal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4_100_000)
    parser.add_argument("--polls", type=int, default=2)
    parser.add_argument("--seconds", default="", help="median,sigma of a lognormal service time")
    parser.add_argument(
        "--start-after", type=int, default=0, help="no job's time begins before this number was submitted"
    )
    chosen = parser.parse_args()
    vendor = FakeVendor(chosen.size, chosen.polls, chosen.seconds, chosen.start_after)
    app = web.Application(client_max_size=2**27)
    app.router.add_post("/{version}/run/face_swap", vendor.submit)
    app.router.add_post("/{version}/status/{job}", vendor.status)
    app.router.add_post("/hook", vendor.hook)
    app.add_routes(S3Sink().routes())
    for name in ("polls", "ends", "hooks"):
        app.router.add_get(f"/{name}", getattr(vendor, name))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
