"""`/v1/swaps`: make one, look at some, cancel, replay."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ValidationError

from swapline_gateway.access import Caller, Needs
from swapline_gateway.bodies import Body, body_of, json_of
from swapline_gateway.schema import openapi
from swapline_gateway.schema.requests import (
    CancelBody,
    Cursor,
    ReplayBody,
    SwapBody,
    Tag,
    job_filter,
    seconds_to_wait,
    swap_request,
)
from swapline_gateway.schema.swap_values import swap_view, timestamp
from swapline_gateway.schema.views import Cancellation, Swap, SwapPage
from swapline_producer.client.forecast import Forecast, forecast
from swapline_producer.client.inputs.images import is_link
from swapline_producer.contract import Job, State
from swapline_producer.contract.access import Scope
from swapline_producer.errors import RequestError

if TYPE_CHECKING:
    from swapline_producer.contract import SwapRequest
    from swapline_producer.ledger import JobFilter

router = APIRouter(prefix="/v1/swaps", tags=["Swaps"])

Writer = Annotated[Caller, Depends(Needs(Scope.WRITE))]
Reader = Annotated[Caller, Depends(Needs(Scope.READ))]

MOST_READ = 2000
"""Jobs read for one page that a tag filters: some 0.2 s. The page is then short, and its cursor goes on."""

READ_AT_ONCE = 200

M = TypeVar("M", bound=BaseModel)


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=openapi.swap_body(SwapBody),
    responses=openapi.answers(
        Swap,
        {202: "It will end, whatever happens.", 200: "It has ended (Prefer: wait), or was there already."},
        problems=(400, 409, 413, 415, 422),
        links=openapi.FROM_SWAP,
    ),
)
async def create_swap(request: Request, caller: Writer) -> Response:
    """Make a face swap.

    The picture is a URL or base64 in JSON, or a file in a form. A repeated `Idempotency-Key` answers 200 with the same
    swap, and 409 where it came with another body. `Prefer: wait=SECONDS` (60 at most) holds the answer until it ends.
    """
    async with body_of(request, caller) as body:
        job, created = await _enqueue(request, caller, body)
    seconds = seconds_to_wait(request.headers)
    if seconds and not job.state.finished:
        job = await _ended(caller, job, seconds)
    status = HTTPStatus.ACCEPTED if created and not job.state.finished else HTTPStatus.OK
    view = swap_view(job, caller.service.root_path)
    headers = {"Location": view["links"]["self"]} | ({"Preference-Applied": f"wait={seconds:g}"} if seconds else {})
    return json_response(view, status, headers)


async def _enqueue(request: Request, caller: Caller, body: Body) -> tuple[Job, bool]:
    service = caller.service
    if body.may_be_large:
        return await service.call_with_picture(
            lambda: _accept(caller, swap_request(caller, request.headers, body.values()))
        )
    wanted = swap_request(caller, request.headers, body.values())
    quick = isinstance(wanted.image, str) and is_link(wanted.image)
    return await (service.call if quick else service.call_with_picture)(_accept, caller, wanted)


def _accept(caller: Caller, wanted: SwapRequest) -> tuple[Job, bool]:
    enqueued = caller.view.enqueue(wanted)
    return caller.service.producer.get(enqueued.job_id), enqueued.created


async def _ended(caller: Caller, job: Job, seconds: float) -> Job:
    """The job when it has ended; as it is when the time is over, or the gateway is to stop."""
    waiting = asyncio.ensure_future(caller.view.wait_async(job.job_id, seconds))
    stopping = asyncio.ensure_future(caller.service.stopping.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and not isinstance(waiting.exception(), TimeoutError):
            return waiting.result()
        return await caller.service.call(caller.view.get, job.job_id)
    finally:
        waiting.cancel()
        stopping.cancel()


@router.get("", responses=openapi.answers(SwapPage, {200: "A page."}, problems=(422,)))
async def list_swaps(
    caller: Reader,
    state: Annotated[list[State] | None, Query(description="Any of these states.")] = None,
    batch: Annotated[str | None, Query(max_length=128, description="Of this batch.")] = None,
    tag: Annotated[
        str | None, Query(max_length=300, description="With this metadata: `order:4711`, or `order`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=300, description="The `next` of the page before.")] = None,
) -> Response:
    """List swaps, the newest first. Pages neither repeat nor skip one, however they move meanwhile.

    With `tag` a page may be short, or empty, and have a `next` all the same.
    """
    wanted = job_filter(caller.tenant, state or [], batch)
    place = Cursor(wanted)
    jobs, after = await caller.service.call(_page, caller, wanted, Tag(tag) if tag else None, limit, place.read(cursor))
    swaps = [swap_view(job, caller.service.root_path) for job in jobs]
    return json_response({"swaps": swaps, "next": place.write(after)})


def _page(
    caller: Caller, wanted: JobFilter, tag: Tag | None, limit: int, after: str | None
) -> tuple[list[Job], str | None]:
    """Return at most `limit` jobs behind `after`, and the id behind which the next page begins, if there is one."""
    ledger = caller.service.producer.ledger
    if tag is None:
        ids = ledger.search.find(wanted, limit=limit + 1, after=after)
        return ledger.jobs.get_many(ids[:limit]), ids[limit - 1] if len(ids) > limit else None
    found: list[Job] = []
    for _ in range(MOST_READ // READ_AT_ONCE):
        ids = ledger.search.find(wanted, limit=READ_AT_ONCE, after=after)
        for job in ledger.jobs.get_many(ids):
            if tag.fits(job.spec.metadata):
                found.append(job)
            if len(found) == limit:
                return found, job.job_id
        if len(ids) < READ_AT_ONCE:
            return found, None
        after = ids[-1]
    return found, after


@router.get("/{swap_id}", responses=openapi.answers(Swap, {200: "The swap."}, problems=(404, 422)))
async def get_swap(caller: Reader, swap_id: str) -> Response:
    """Show a swap: its state, its pictures, and while it waits its place in the line and when it will probably end."""
    job, ahead = await caller.service.call(_with_forecast, caller, swap_id)
    queue = {"position": ahead.position, "slots": ahead.slots} if ahead.position else None
    extra = {"queue": queue, "estimated_end": timestamp(ahead.end)}
    return json_response(swap_view(job, caller.service.root_path) | extra)


def _with_forecast(caller: Caller, swap_id: str) -> tuple[Job, Forecast]:
    job = caller.view.get(swap_id)
    return job, forecast(caller.service.producer.ledger, job)


@router.post(
    "/{swap_id}/cancel",
    openapi_extra=openapi.json_body(CancelBody, required=False),
    responses=openapi.answers(
        Cancellation,
        {200: "It is CANCELED, or will be when the vendor is done with it."},
        problems=(400, 404, 409, 413, 422),
    ),
)
async def cancel_swap(request: Request, caller: Writer, swap_id: str) -> Response:
    """Cancel a swap, whatever its state, and say whether it was charged.

    The vendor has no cancel: a running swap ends CANCELED when the vendor is done with it.
    """
    how = checked(CancelBody, await json_of(request, caller))
    found = await caller.service.call(caller.view.cancel, swap_id, keep_result=how.keep_result)
    return json_response({"swap": swap_view(found.job, caller.service.root_path), "charged": found.charged})


@router.post(
    "/{swap_id}/replay",
    openapi_extra=openapi.json_body(ReplayBody),
    responses=openapi.answers(Swap, {200: "It goes on from there."}, problems=(400, 404, 409, 413, 422)),
)
async def replay_swap(request: Request, caller: Writer, swap_id: str) -> Response:
    """Run a swap again from a step.

    From `poll` or `finalize` the vendor is asked for its pictures again, which is free; from `notify` its webhook is
    sent again; from `submit` it is paid again, and needs `accept_charge`.
    """
    how = checked(ReplayBody, await json_of(request, caller))
    job = await caller.service.call(caller.view.replay, swap_id, how.step, accept_charge=how.accept_charge)
    return json_response(swap_view(job, caller.service.root_path))


def checked(kind: type[M], values: dict[str, Any]) -> M:
    """Read a short body. Raises RequestError."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        name = str(first["loc"][0])[:40] if first["loc"] else "request"
        raise RequestError(f"{name}: {first['msg']}", field=name) from None


def json_response(value: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(value), status, headers, media_type="application/json")
