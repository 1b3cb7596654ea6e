"""An example of a backend: photographs in, pictures out. `docker compose --profile backend up -d` starts it.

    curl --data-binary @me.jpg 'http://127.0.0.1:8000/swaps?gender=female&filter_id=12&order=4711'
    curl 'http://127.0.0.1:8000/swaps/JOB?wait=30'
    curl -o picture.png http://127.0.0.1:8000/swaps/JOB/picture

It has no login: keep it on loopback. docs/guides/backends.md has more of FastAPI, Flask and Django.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from swapline_producer import Job, Producer, SwapRequest
from swapline_producer.errors import IdempotencyConflict, JobNotFound, RequestError, SwaplineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

MAX_PHOTOGRAPH = 10 * 2**20
"""Bytes: what the vendor takes."""

producer = Producer.from_env()


async def create(request: Request) -> Response:
    """POST the photograph itself; the same `order` again is answered with the same job."""
    photograph = bytearray()
    async for chunk in request.stream():
        photograph += chunk
        if len(photograph) > MAX_PHOTOGRAPH:
            raise RequestError(f"a photograph may have {MAX_PHOTOGRAPH} bytes", field="image")
    asked = dict(request.query_params)
    swap = SwapRequest(
        image=bytes(photograph),
        gender=asked.get("gender", ""),
        filter_id=int(asked.get("filter_id", "-1")),
        idempotency_key=asked.get("order"),
    )
    enqueued = await producer.enqueue_async(swap)
    return JSONResponse({"job_id": enqueued.job_id}, 202, {"Location": f"/swaps/{enqueued.job_id}"})


async def show(request: Request) -> Response:
    """Answer with the job, after `wait` seconds at most where it has not ended."""
    job_id, seconds = request.path_params["job_id"], float(request.query_params.get("wait", 0))
    try:
        job = await producer.wait_async(job_id, min(seconds, 60.0)) if seconds else await found(job_id)
    except TimeoutError:
        job = await found(job_id)
    return JSONResponse({"job_id": job_id, "state": job.state, "failure_code": job.failure_code})


async def picture(request: Request) -> Response:
    """Answer with the first picture of a job that has succeeded."""
    job = await found(request.path_params["job_id"])
    if not job.images:
        return PlainTextResponse(f"The job is {job.state}: there is no picture.\n", 404)
    return Response(await asyncio.to_thread(producer.storage.get, job.images[0].key), media_type="image/png")


async def found(job_id: str) -> Job:
    """Read a job."""
    return await asyncio.to_thread(producer.get, job_id)


async def health(_: Request) -> Response:
    """Say that this process answers."""
    return PlainTextResponse("ok\n")


def answer(status: int) -> Callable[[Request, Exception], Response]:
    """Return what makes an error one sentence with a status."""
    return lambda _request, error: PlainTextResponse(f"{error}\n", status)


app = Starlette(
    routes=[
        Route("/swaps", create, methods=["POST"]),
        Route("/swaps/{job_id}", show),
        Route("/swaps/{job_id}/picture", picture),
        Route("/healthz", health),
    ],
    exception_handlers={
        ValueError: answer(422),  # a field that is missing or no value of its kind
        RequestError: answer(422),  # nothing was stored or spent
        JobNotFound: answer(404),
        IdempotencyConflict: answer(409),
        SwaplineError: answer(503),  # Redis or the store is away: the same order is safe to repeat
    },
)
