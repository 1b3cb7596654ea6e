"""`/v1/batches`: rows of NDJSON in, a line for each row out; how a batch stands, seal, cancel."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from swapline_gateway.batch_rows import Answers, BatchRows
from swapline_gateway.bodies import json_of
from swapline_gateway.routes.swaps import Reader, Writer, checked, json_response
from swapline_gateway.schema import openapi
from swapline_gateway.schema.requests import CancelBody, SealBody
from swapline_gateway.schema.views import Batch, BatchCancellation, Sealed
from swapline_producer.client.batches.results import outlines, view
from swapline_producer.contract import checked as checked_value
from swapline_producer.errors import NotPossible

if TYPE_CHECKING:
    from swapline_gateway.access import Caller

router = APIRouter(prefix="/v1/batches", tags=["Batches"])


@router.post(
    "",
    openapi_extra=openapi.ndjson_body(),
    responses=openapi.ndjson_answer(),
)
async def create_batch(
    request: Request,
    caller: Writer,
    name: Annotated[str | None, Query(min_length=1, max_length=128, description="Else one is made up.")] = None,
) -> Response:
    """Make a swap of each row, a JSON object a line as in `POST /v1/swaps`; rows of any number.

    Each row is answered by a line, in order: `{"row", "id", "created"}` or `{"row", "problem"}`, and at last
    `{"batch", "rows", "enqueued", "refused"}`. A row without `idempotency_key` has one of batch and row: the same rows
    sent again under the same name find the same swaps. Answers need not be read while rows are being sent.
    """
    batch = checked_value("batch", name or f"batch-{secrets.token_hex(8)}")
    return Answers(BatchRows(caller, batch, request).answers())


@router.get("/{name:path}", responses=openapi.answers(Batch, {200: "How it stands."}, problems=(404, 422)))
async def get_batch(caller: Reader, name: str) -> Response:
    """Show how a batch stands. `GET /v1/swaps?batch=` lists its swaps."""
    ledger = caller.service.producer.ledger
    found = await caller.service.call(lambda: view(name, caller.tenant, outlines(ledger, name, caller.tenant)))
    return json_response(found.model_dump(mode="json", exclude={"tenant"}))


@router.post(
    "/{name:path}/seal",
    openapi_extra=openapi.json_body(SealBody),
    responses=openapi.answers(Sealed, {200: "It is sealed."}, problems=(400, 404, 413, 422)),
)
async def seal_batch(request: Request, caller: Writer, name: str) -> Response:
    """Say that all rows are in: when all swaps have ended, `batch.completed` is sent to `webhook_url`, once."""
    body = checked(SealBody, await json_of(request, caller))
    found = await caller.service.call(caller.view.seal_batch, name, body.webhook_url)
    return json_response({"batch": name, **found.model_dump()})


@router.post(
    "/{name:path}/cancel",
    openapi_extra=openapi.json_body(CancelBody, required=False),
    responses=openapi.answers(BatchCancellation, {200: "What became of its swaps."}, problems=(400, 404, 413, 422)),
)
async def cancel_batch(request: Request, caller: Writer, name: str) -> Response:
    """Cancel every swap of a batch that has not ended, and say how many were charged."""
    how = checked(CancelBody, await json_of(request, caller))
    counts = await caller.service.call(_cancel, caller, name, keep_result=how.keep_result)
    return json_response({"batch": name, **counts})


def _cancel(caller: Caller, name: str, *, keep_result: bool) -> dict[str, int]:
    """Cancel the unfinished jobs of a batch; count what became of them."""
    producer = caller.service.producer
    counts = {"canceled": 0, "canceling": 0, "charged": 0, "perhaps_charged": 0, "ended_meanwhile": 0}
    left = [one.job_id for one in outlines(producer.ledger, name, caller.tenant) if not one.state.finished]
    for job_id in reversed(left):  # the last in line first: nothing of them is handed a slot meanwhile
        try:
            found = caller.view.cancel(job_id, keep_result=keep_result)
        except NotPossible:
            counts["ended_meanwhile"] += 1
            continue
        counts["canceled" if found.done else "canceling"] += 1
        counts["charged"] += found.charged is True
        counts["perhaps_charged"] += found.charged is None
    return counts
