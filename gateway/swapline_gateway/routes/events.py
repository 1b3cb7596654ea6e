"""`GET /v1/swaps/{id}/events`: what happens to a swap, as server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request, Response

from swapline_gateway.routes.swaps import Reader
from swapline_gateway.schema import openapi
from swapline_gateway.schema.swap_values import timestamp
from swapline_producer.contract import Job, JobEvent, Notification
from swapline_producer.errors import JobNotFound, LedgerUnavailable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from swapline_gateway.access import Caller

router = APIRouter(prefix="/v1/swaps", tags=["Swaps"])

PING_S = 15.0
"""Seconds of silence after which a comment is sent: proxies end what is silent for longer."""

RETRY_MS = 2000
"""How long a listener waits before it comes back."""


@router.get(
    "/{swap_id}/events",
    responses=openapi.event_stream(),
)
async def swap_events(
    request: Request,
    caller: Reader,
    swap_id: str,
    last_event_id: Annotated[str | None, Header(max_length=100, description="Go on behind this event.")] = None,
) -> Response:
    """Follow a swap: a server-sent event for each line of its log, from the first or behind `Last-Event-ID`.

    The stream ends when nothing can happen any more; who comes back then is answered 204.
    """
    log = Log(last_event_id)
    job, events = await caller.service.call(caller.view.get_with_events, swap_id)
    if _at_rest(job) and last_event_id is not None and not log.new(events):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return EventStream(request, caller, swap_id, log)


class Log:
    """The place of a listener in a job's log, whose oldest lines may go."""

    def __init__(self, last: str | None) -> None:
        """`last` is the id of the event that was sent last."""
        self._last = last

    def new(self, events: list[JobEvent]) -> list[tuple[str, JobEvent]]:
        """The events behind the last one, each with its id; all of them where that one is gone."""
        ids = event_ids(events)
        place = next((n + 1 for n in range(len(ids) - 1, -1, -1) if ids[n] == self._last), 0)
        return list(zip(ids[place:], events[place:], strict=True))

    def move(self, event_id: str) -> None:
        """Note that an event was sent."""
        self._last = event_id


def event_ids(events: list[JobEvent]) -> list[str]:
    """A name for each line that stays: its moment, and its number among the lines of that moment."""
    found: list[str] = []
    number, before = 0, -1
    for event in events:
        number = number + 1 if event.at == before else 0
        before = event.at
        found.append(f"{event.at}-{number}")
    return found


class EventStream(Response):
    """Sends what there is, and then what comes. One task and a few kilobytes for each listener."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, caller: Caller, swap_id: str, log: Log) -> None:
        """Send nothing yet."""
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._request, self._caller, self._swap_id, self._log = request, caller, swap_id, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's shape
        """Serve until the job is at rest, the listener is gone, or the gateway stops."""
        service, moved = self._caller.service, asyncio.Event()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send(_body(f"retry: {RETRY_MS}\n\n".encode()))
        if service.hub.add(self._swap_id, moved):
            with suppress(LedgerUnavailable):  # the feed comes back and follows all
                await service.call(service.hub.follow, self._swap_id)
        try:
            await self._serve(send, moved)
        finally:
            if service.hub.remove(self._swap_id, moved):
                with suppress(LedgerUnavailable):
                    await service.call(service.hub.unfollow, self._swap_id)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _serve(self, send: Send, moved: asyncio.Event) -> None:
        """Send new events until the swap is at rest, gone, or the peer leaves."""
        service = self._caller.service
        while not service.stopping.is_set() and not await self._request.is_disconnected():
            moved.clear()
            try:
                job, events = await service.call(self._caller.view.get_with_events, self._swap_id)
            except LedgerUnavailable:  # the feed resumes when it is back
                job, events = None, []
            except JobNotFound:  # purged
                return
            for event_id, event in self._log.new(events) if job else ():
                await send(_body(_event(event_id, event, job)))
                self._log.move(event_id)
            if job is not None and _at_rest(job):
                return
            await self._pause(send, moved)

    async def _pause(self, send: Send, moved: asyncio.Event) -> None:
        """Wait for news, or send a comment."""
        try:
            async with asyncio.timeout(PING_S):
                await moved.wait()
        except TimeoutError:
            await send(_body(b": ping\n\n"))


def _at_rest(job: Job) -> bool:
    return job.state.finished and job.notification is not Notification.PENDING


def _event(event_id: str, event: JobEvent, job: Job | None) -> bytes:
    data = {"at": timestamp(event.at), "name": event.name, "data": event.data, "state": job.state if job else None}
    return b"id: " + event_id.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def _body(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}
