"""The control page: the report (GET /_control) and changes of behaviour (POST /_control)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.web import HTTPNotFound
from pydantic import BaseModel, ConfigDict, ValidationError

from swapline_simulator.account.report import report
from swapline_simulator.api.auth import OTHERS, VENDOR
from swapline_simulator.api.replies import HTML, Reply, page, text
from swapline_simulator.api.sending import send
from swapline_simulator.config import SimulatorConfig
from swapline_simulator.faults.script import Directions

if TYPE_CHECKING:
    from aiohttp import web

    from swapline_simulator.account.vendor import SimulatedVendor


class Change(BaseModel):
    """A change of a running vendor: these fields, and any of SimulatorConfig's."""

    model_config = ConfigDict(frozen=True, extra="allow")

    reset: bool = False
    """First forget every job, charge and direction."""
    clear_modes: bool = False
    """First forget every direction."""
    mode: Directions = ()
    """Then follow these as well."""
    finish: bool = False
    """Finally end every running job, whatever its service time."""


async def show_report(request: web.Request) -> web.StreamResponse:
    """Answer GET /_control; `?jobs=0` leaves out the jobs, which may be many; `?account=NAME` is a further account."""
    seen = report(_asked_for(request), with_jobs=request.query.get("jobs") != "0")
    return await send(request, Reply(200, (seen.model_dump_json().encode(),)))


async def show_page(request: web.Request) -> web.StreamResponse:
    """Answer GET /_control/page: the same as a web page."""
    return await send(request, Reply(200, (page("control.html"),), HTML))


async def change(request: web.Request) -> web.StreamResponse:
    """Answer POST /_control: apply the whole change, or nothing and answer 400 with a sentence."""
    vendor = _asked_for(request)
    try:
        requested = Change.model_validate_json(await request.read())
        config = _changed_config(vendor.config, requested)
    except ValidationError as error:
        return await send(request, text({"error": "INVALID_CHANGE", "message": sentence(error)}, 400))
    _apply(vendor, requested, config)
    return await send(request, Reply(200, (report(vendor, with_jobs=False).model_dump_json().encode(),)))


def _asked_for(request: web.Request) -> SimulatedVendor:
    """Return the vendor with the account that `?account=NAME` names; with the first one else. Answers 404."""
    name = request.query.get("account")
    if name is None:
        return request.app[VENDOR]
    if name not in request.app[OTHERS]:
        raise HTTPNotFound(text=f"there is no account {name!r}")
    return request.app[OTHERS][name]


def sentence(error: ValidationError) -> str:
    """Return the problem of each field in one line."""
    parts = [".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors()]
    return "; ".join(part.removeprefix(": ").replace("Value error, ", "") for part in parts)


def _changed_config(config: SimulatorConfig, requested: Change) -> SimulatorConfig:
    return SimulatorConfig.model_validate(config.model_dump() | (requested.model_extra or {}))


def _apply(vendor: SimulatedVendor, requested: Change, config: SimulatorConfig) -> None:
    vendor.retune(config)
    if requested.reset:
        vendor.reset()
    if requested.clear_modes:
        vendor.script.clear()
    for direction in requested.mode:
        vendor.script.direct(direction)
    if "credits" in (requested.model_extra or {}):
        vendor.account.credits_left = config.credits
    if requested.finish:
        vendor.finish()
