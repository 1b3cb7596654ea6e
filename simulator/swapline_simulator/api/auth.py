"""Shared by the endpoints: the vendor's app key, the API version, the check of the API key."""

from __future__ import annotations

from hmac import compare_digest

from aiohttp import web

from swapline_simulator.account.account import OverCapRefusal
from swapline_simulator.account.vendor import SimulatedVendor
from swapline_simulator.api import replies
from swapline_simulator.api.orders import Refusal
from swapline_simulator.enums import ApiVersion

VENDOR = web.AppKey("vendor", SimulatedVendor)
"""With the first account."""

OTHERS: web.AppKey[dict[str, SimulatedVendor]] = web.AppKey("others", dict)
"""With a further account each, by name."""


def vendor_of(request: web.Request) -> SimulatedVendor:
    """Return the vendor with the account of the call's key; with the first account for any other key."""
    for vendor in request.app[OTHERS].values():
        if _has_key(vendor, request):
            return vendor
    return request.app[VENDOR]


def _has_key(vendor: SimulatedVendor, request: web.Request) -> bool:
    received = request.headers.get(vendor.config.key_header, "")
    expected = vendor.config.key_prefix + vendor.config.key
    return compare_digest(received.encode(errors="replace"), expected.encode())


def version_of(request: web.Request) -> ApiVersion:
    """Return the version in the path."""
    return ApiVersion(request.match_info["version"])


def check_key(vendor: SimulatedVendor, request: web.Request) -> None:
    """Raise Refusal (401) unless the call has the right key."""
    if not _has_key(vendor, request):
        vendor.tally.unauthorized += 1
        raise Refusal(401, "UNAUTHORIZED", "The API key is missing or wrong.")


def refusal_reply(vendor: SimulatedVendor, refusal: Refusal) -> replies.Reply:
    """Return the reply of a refusal; above the cap with Retry-After, if configured."""
    if isinstance(refusal, OverCapRefusal):
        return replies.over_cap(refusal, vendor.config.over_cap, vendor.config.retry_after, vendor.now())
    return replies.refused(refusal)
