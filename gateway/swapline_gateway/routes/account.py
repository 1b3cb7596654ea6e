"""`/v1/usage`, `/v1/capacity` and `/v1/webhooks`: what a tenant uses, and how it is notified."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from swapline_gateway.access import Caller, Needs
from swapline_gateway.bodies import json_of
from swapline_gateway.routes.swaps import Reader, checked, json_response
from swapline_gateway.schema import openapi
from swapline_gateway.schema.account_views import Capacity, Deliveries, Endpoints, NewSecret, Replayed, Secrets, Usage
from swapline_gateway.schema.problems import Problem
from swapline_gateway.schema.requests import RotateBody
from swapline_gateway.schema.swap_values import timestamp
from swapline_producer.client.forecast import mean
from swapline_producer.contract.access import Scope
from swapline_producer.contract.jobs.service_times import ENOUGH, EVERY_KIND
from swapline_producer.errors import NotPossible
from swapline_producer.operations import deliveries
from swapline_producer.webhooks.keys import new_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.ledger.tenants.webhook_secrets import WebhookSecret
    from swapline_producer.operations.deliveries import DeliveryOutcome

router = APIRouter(prefix="/v1", tags=["Account"])

Admin = Annotated[Caller, Depends(Needs(Scope.ADMIN))]

MOST_LISTED = 100


@router.get("/usage", responses=openapi.answers(Usage, {200: "Credits by day."}, problems=(422,)))
async def usage(caller: Reader, days: Annotated[int, Query(ge=1, le=40)] = 31) -> Response:
    """Show the credits that the tenant's swaps cost by day (UTC), today first. A swap counts once it has a slot."""
    ledger, tenant = caller.service.producer.ledger, caller.tenant
    spent, cap = await caller.service.call(
        lambda: (ledger.limits.spent_by_day(tenant, days), ledger.limits.credits().caps.get(tenant))
    )
    rows = [{"day": day, "credits": number} for day, number in spent]
    return json_response({"tenant": tenant, "credits_per_day": cap, "days": rows})


@router.get("/capacity", responses=openapi.answers(Capacity, {200: "How busy it is."}))
async def capacity(caller: Reader) -> Response:
    """Show the slots, how many jobs wait, and how many an hour can be done."""
    return json_response(await caller.service.call(_capacity, caller))


def _capacity(caller: Caller) -> dict[str, Any]:
    ledger = caller.service.producer.ledger
    slots = ledger.limits.slots()
    [times] = ledger.stats.histograms([EVERY_KIND])
    seconds = mean(times) if sum(times.values()) >= ENOUGH else None
    [own] = ledger.occupancy.waiting_of([caller.tenant])
    rate = slots.cap / seconds if seconds and slots.cap else None
    return {
        "slots": slots.cap,
        "in_flight": len(slots.in_flight),
        "waiting": slots.waiting,
        "waiting_of_tenant": own,
        "paused": slots.paused,
        "seconds_per_swap": round(seconds, 3) if seconds else None,
        "swaps_per_hour": round(rate * 3600) if rate else None,
        "seconds_to_empty_line": round(slots.waiting / rate, 1) if rate else None,
    }


@router.get("/webhooks/secrets", responses=openapi.answers(Secrets, {200: "Those that sign."}))
async def list_secrets(caller: Admin) -> Response:
    """List the tenant's webhook secrets, without the secrets themselves. Without any the installation's sign."""
    found = await caller.service.call(caller.service.producer.ledger.webhook_secrets.all, caller.tenant)
    return json_response({"secrets": [_secret(one) for one in found]})


@router.post(
    "/webhooks/secrets",
    status_code=HTTPStatus.CREATED,
    responses=openapi.answers(NewSecret, {201: "The secret, shown this once."}),
)
async def create_secret(caller: Admin) -> Response:
    """Make a webhook secret. It signs beside the tenant's others, within five seconds."""
    secret = new_secret()
    made = await caller.service.call(caller.service.producer.ledger.webhook_secrets.add, caller.tenant, secret)
    return json_response({**_secret(made), "secret": secret}, HTTPStatus.CREATED)


@router.post(
    "/webhooks/secrets/rotate",
    status_code=HTTPStatus.CREATED,
    openapi_extra=openapi.json_body(RotateBody, required=False),
    responses=openapi.answers(NewSecret, {201: "The new secret, shown this once."}, problems=(400, 413, 422)),
)
async def rotate_secret(request: Request, caller: Admin) -> Response:
    """Make a webhook secret; those before it sign for `overlap_seconds` more (a day), so that receivers can change."""
    body = checked(RotateBody, await json_of(request, caller))
    secret, stored = new_secret(), caller.service.producer.ledger.webhook_secrets
    made = await caller.service.call(stored.rotate, caller.tenant, secret, body.overlap_seconds)
    return json_response({**_secret(made), "secret": secret}, HTTPStatus.CREATED)


@router.delete(
    "/webhooks/secrets/{secret_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "It signs no more."}, **openapi.answers(None, {}, problems=(404, 422))},
)
async def delete_secret(caller: Admin, secret_id: str) -> Response:
    """Delete a webhook secret: it signs no more."""
    try:
        await caller.service.call(caller.service.producer.ledger.webhook_secrets.delete, caller.tenant, secret_id)
    except NotPossible as error:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", str(error)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/webhooks/endpoints", responses=openapi.answers(Endpoints, {200: "Those that fail."}))
async def list_endpoints(caller: Admin) -> Response:
    """List the tenant's receivers that fail or are disabled; healthy ones have no record."""
    found = await caller.service.call(lambda: caller.service.producer.ledger.webhooks.endpoints(limit=0))
    own = [one for one in found if one.tenant == caller.tenant]
    return json_response(
        {
            "endpoints": [
                {
                    "id": one.endpoint_id,
                    "address": one.address,
                    "error": one.error,
                    "status": one.status,
                    "failures": one.failures,
                    "failing_since": timestamp(one.failing_since or None),
                    "disabled_at": timestamp(one.disabled_at),
                    "reason": one.reason,
                }
                for one in own
            ]
        }
    )


@router.get("/webhooks/deliveries", responses=openapi.answers(Deliveries, {200: "Those in trouble."}))
async def list_deliveries(caller: Admin) -> Response:
    """List the tenant's webhooks that are given up (DEAD) or failed and are tried again (PENDING), 100 at most."""
    found = await caller.service.call(lambda: [*islice(_failing(caller), MOST_LISTED)])
    return json_response({"deliveries": [_delivery(one) for one in found]})


@router.post("/webhooks/deliveries/replay", responses=openapi.answers(Replayed, {200: "How many are sent again."}))
async def replay_deliveries(caller: Admin) -> Response:
    """Send the tenant's webhooks that were given up once more. One alone: replay its swap from `notify`."""
    return json_response(await caller.service.call(_replay, caller))


def _replay(caller: Caller) -> dict[str, int]:
    producer = caller.service.producer
    again = deliveries.Replay(producer.ledger, producer.recovery_by(caller.admission.key.key_id))
    for _ in again.run(deliveries.given_up(producer.ledger), lambda one: one.tenant == caller.tenant):
        pass
    return dict(again.counts)


def _failing(caller: Caller) -> Iterator[DeliveryOutcome]:
    ledger = caller.service.producer.ledger
    for batches in (True, False):
        for kind in ("dead", "retrying"):
            ids = ledger.webhooks.failing_ids(kind, limit=-1, batches=batches)
            yield from (one for one in deliveries.read(ledger, ids) if one.tenant == caller.tenant)


def _delivery(one: DeliveryOutcome) -> dict[str, Any]:
    return {
        "id": one.record_id,
        "event": one.event,
        "notification": one.record.notification,
        "attempts": one.record.notify_attempts,
        "endpoint": one.endpoint_id,
    }


def _secret(one: WebhookSecret) -> dict[str, Any]:
    return {"id": one.secret_id, "created_at": timestamp(one.created_at), "until": timestamp(one.until)}
