"""What the endpoints share: where the vendor is, which version was called, and whether the key is right."""

from __future__ import annotations

from hmac import compare_digest

from aiohttp import web

from swapline_simulator.account.account import OverCapRefusal
from swapline_simulator.account.vendor import SimulatedVendor
from swapline_simulator.api import replies
from swapline_simulator.api.orders import Refusal
from swapline_simulator.enums import ApiVersion

VENDOR = web.AppKey("vendor", SimulatedVendor)


def version_of(request: web.Request) -> ApiVersion:
    """Give the version in the path."""
    return ApiVersion(request.match_info["version"])


def check_key(vendor: SimulatedVendor, request: web.Request) -> None:
    """Let only calls with the right key in.

    Raises Refusal: 401.
    """
    given = request.headers.get(vendor.config.key_header, "")
    wanted = vendor.config.key_prefix + vendor.config.key
    if not compare_digest(given.encode(errors="replace"), wanted.encode()):
        vendor.tally.unauthorized += 1
        raise Refusal(401, "UNAUTHORIZED", "The API key is missing or wrong.")


def refusal_reply(vendor: SimulatedVendor, refusal: Refusal) -> replies.Reply:
    """Say no; above the cap with Retry-After, where it is set up so."""
    if isinstance(refusal, OverCapRefusal):
        return replies.over_cap(refusal, vendor.config.over_cap, vendor.config.retry_after, vendor.now())
    return replies.refused(refusal)
