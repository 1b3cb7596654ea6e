"""POST /{version}/run/face_swap: check the key, apply the mode, accept and charge, reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_simulator.api import replies
from swapline_simulator.api.auth import check_key, refusal_reply, vendor_of, version_of
from swapline_simulator.api.intake import digest_of
from swapline_simulator.api.orders import Refusal, read_body, read_picture
from swapline_simulator.api.sending import close, cut, send, send_after_interim
from swapline_simulator.enums import Status
from swapline_simulator.faults.modes import Mode

if TYPE_CHECKING:
    from aiohttp import web

    from swapline_simulator.account.vendor import SimulatedVendor
    from swapline_simulator.faults.script import Cue


async def run(request: web.Request) -> web.StreamResponse:
    """Accept and charge a submission, then reply as the mode requires."""
    vendor = vendor_of(request)
    raw = await request.read()
    vendor.tally.submissions += 1
    try:
        check_key(vendor, request)
        vendor.tally.with_key += 1
        cue = vendor.script.submission(vendor.tally.with_key, _picture(raw) if vendor.script.names_pictures else "")
        if not cue.mode.accepts:
            vendor.tally.refused[cue.mode] += 1
            return await _answer(request, vendor, cue, "")
        job = await vendor.accept(version_of(request), raw)
    except Refusal as refusal:
        vendor.tally.refused[refusal.code] += 1
        return await send(request, refusal_reply(vendor, refusal))
    named = vendor.account.before(job) if cue.mode is Mode.SUBMIT_OTHER_ID_ACCEPTED else job
    return await _answer(request, vendor, cue, named.job_id)


def _picture(raw: bytes) -> str:
    """Return the SHA-256 of a submission's picture; empty where it has none."""
    try:
        return digest_of(read_picture(read_body(raw)))
    except Refusal:
        return ""


async def _answer(request: web.Request, vendor: SimulatedVendor, cue: Cue, job_id: str) -> web.StreamResponse:
    """Answer a submission that was accepted, by the script's mode."""
    reply = replies.canned(cue.mode.kind, cue.amount, vendor.now()) or replies.accepted(job_id)
    match cue.mode:
        case Mode.SUBMIT_CLOSED | Mode.SUBMIT_CLOSED_ACCEPTED:
            return close(request)
        case Mode.SUBMIT_CUT_ACCEPTED:
            return await cut(request, reply)
        case Mode.SUBMIT_INTERIM_ACCEPTED:
            return await send_after_interim(request, reply)
        case Mode.SUBMIT_LONG_ID_ACCEPTED:
            reply = replies.accepted(f"{job_id}-{'x' * 300}")
        case Mode.SUBMIT_NO_ID_ACCEPTED:
            reply = replies.text({"status": Status.IN_QUEUE})
        case Mode.SUBMIT_SLOW_ACCEPTED:
            await vendor.wait_for_finish(cue.amount)
    return await send(request, reply)
