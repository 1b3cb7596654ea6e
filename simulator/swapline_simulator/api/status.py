"""POST /{version}/status/{job_id}: wait as the mode requires, and reply."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swapline_simulator.api import replies
from swapline_simulator.api.auth import check_key, refusal_reply, vendor_of, version_of
from swapline_simulator.api.orders import Refusal
from swapline_simulator.api.results import ENDINGS, completed, in_mode
from swapline_simulator.api.sending import close, cut, drip, send, send_after_interim
from swapline_simulator.enums import Status
from swapline_simulator.faults.modes import Mode

if TYPE_CHECKING:
    from aiohttp import web

    from swapline_simulator.account.account import VendorJob
    from swapline_simulator.account.vendor import SimulatedVendor
    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.faults.script import Cue

UNKNOWN_STATUS = "WARMING_UP"
"""A status that no documentation names."""

OTHER_JOB = "job-of-another"
"""An id that no job has."""


async def status(request: web.Request) -> web.StreamResponse:
    """Answer one poll."""
    vendor = vendor_of(request)
    await request.read()
    vendor.tally.polls += 1
    try:
        check_key(vendor, request)
        return await _poll(vendor, request)
    except Refusal as refusal:
        return await send(request, refusal_reply(vendor, refusal))


async def _poll(vendor: SimulatedVendor, request: web.Request) -> web.StreamResponse:
    """Answer one poll by the script's mode."""
    vendor.settle()
    job_id = request.match_info["job_id"]
    job = vendor.account.find(job_id, version_of(request))
    if job is not None:
        job.polls += 1
    cue = vendor.script.poll(job_id, job.polls if job else 0)
    if (reply := replies.canned(cue.mode.kind, cue.amount, vendor.now())) is not None:
        return await send(request, reply)
    if job is None or job.photograph is None or _hidden(vendor, cue, job):
        vendor.tally.unknown_polls += 1
        raise Refusal(404, "JOB_NOT_FOUND", "There is no such job.")
    photograph = job.photograph
    if not await _wait(vendor, cue, job):
        return close(request)
    return await _send(request, cue, await _reply(vendor, cue, job, photograph))


def _hidden(vendor: SimulatedVendor, cue: Cue, job: VendorJob) -> bool:
    """Return whether the mode hides a job."""
    if cue.mode is Mode.STATUS_404_THEN_FOUND:
        return job.polls <= cue.amount
    done = job.done_at is not None and job.done_at + cue.amount < vendor.now()
    return cue.mode is Mode.STATUS_404_AFTER_TTL and done


async def _wait(vendor: SimulatedVendor, cue: Cue, job: VendorJob) -> bool:
    """Wait as long as the mode requires; return whether to reply at all."""
    match cue.mode:
        case Mode.STATUS_HELD:
            return await vendor.done(job, None)
        case Mode.STATUS_HELD_PENDING:
            await vendor.done(job, cue.amount)
        case Mode.STATUS_HELD_CUT:
            return await vendor.done(job, cue.amount)
    return cue.mode is not Mode.STATUS_CLOSED


async def _reply(vendor: SimulatedVendor, cue: Cue, job: VendorJob, photograph: Photograph) -> replies.Reply:
    """Return the reply about a job."""
    if cue.mode is Mode.STATUS_OTHER_JOB:
        return completed(OTHER_JOB, await vendor.picture(job, photograph))
    if cue.mode is Mode.STATUS_LONG:
        return replies.standing(job.job_id, "A" * int(cue.amount * 1e6))
    now = vendor.now()
    word = job.status(now)
    if word in {Status.IN_QUEUE, Status.IN_PROGRESS}:
        return replies.standing(job.job_id, UNKNOWN_STATUS if cue.mode is Mode.STATUS_UNKNOWN else word)
    job.first_seen_done_at = job.first_seen_done_at or now
    result = vendor.script.result(job.job_id)
    word = ENDINGS.get(result.mode, word)
    if word is not Status.COMPLETED:
        return replies.standing(job.job_id, word)
    picture = await vendor.picture(job, photograph)
    if result.mode is Mode.RESULT_OK:
        return completed(job.job_id, picture)
    return await asyncio.to_thread(in_mode, job.job_id, result, picture)


async def _send(request: web.Request, cue: Cue, reply: replies.Reply) -> web.StreamResponse:
    match cue.mode:
        case Mode.STATUS_DRIP:
            return await drip(request, reply, cue.amount)
        case Mode.STATUS_CUT:
            return await cut(request, reply)
        case Mode.STATUS_INTERIM:
            return await send_after_interim(request, reply)
    return await send(request, reply)
