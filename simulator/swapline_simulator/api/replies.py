"""Replies of the vendor and of proxies before it. The order of keys is that of the vendor's page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING

from swapline_simulator.enums import OverCap, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_simulator.api.orders import Refusal

JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True)
class Reply:
    """One reply. Its body is in pieces that are never joined, because a result has several megabytes."""

    status: int
    pieces: Iterable[bytes]
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int | None:
        """Bytes of the body; None for one that is generated while it is sent."""
        return sum(map(len, self.pieces)) if isinstance(self.pieces, tuple) else None


def page(name: str) -> bytes:
    """Return one of the HTML pages of this package."""
    return files("swapline_simulator").joinpath("pages", name).read_bytes()


def text(body: object, status: int = 200, **headers: str) -> Reply:
    """Return a reply of compact JSON."""
    return Reply(status, (json.dumps(body, separators=(",", ":")).encode(),), JSON, headers)


def accepted(job_id: str) -> Reply:
    """Return the reply to an accepted submission."""
    return text({"id": job_id, "status": Status.IN_QUEUE})


def standing(job_id: str, status: str) -> Reply:
    """Return the reply to a status call about a job without a picture."""
    body = {"id": job_id, "status": status}
    if status == Status.FAILED:
        body["error"] = "The face could not be swapped; check your inputs."
    return text(body)


def refused(refusal: Refusal) -> Reply:
    """Return the reply to a refused request."""
    return text({"error": refusal.code, "message": refusal.sentence}, refusal.status)


def over_cap(refusal: Refusal, behaviour: OverCap, retry_after: float, now: float) -> Reply:
    """Return the reply to a submission above the cap, with Retry-After if so configured."""
    kind = {OverCap.TOO_MANY_SECONDS: "429_seconds", OverCap.TOO_MANY_DATE: "429_date"}.get(behaviour)
    headers = _retry_after(kind, retry_after, now) if kind else {}
    return Reply(refusal.status, refused(refusal).pieces, JSON, headers)


_ERRORS = {
    "401": ("UNAUTHORIZED", "The API key is missing or wrong."),
    "402": ("INSUFFICIENT_CREDITS", "There are no credits left."),
    "403": ("FORBIDDEN", "This API key may not do this."),
    "404": ("NOT_FOUND", "There is nothing at this address."),
    "429": ("TOO_MANY_REQUESTS", "Too many requests; slow down."),
    "500": ("INTERNAL_ERROR", "Something went wrong on our side."),
}


def canned(kind: str, amount: float, now: float) -> Reply | None:
    """Return the constant reply of modes of this kind, such as `429_date`; None for other kinds."""
    if kind in {"504", "524"}:
        return Reply(int(kind), (page(f"{kind}.html"),), HTML)
    if kind == "not_json":
        return Reply(200, (page("504.html"),), HTML)
    number, _, more = kind.partition("_")
    if number not in _ERRORS or more not in {"", "seconds", "date"}:
        return None
    code, sentence = _ERRORS[number]
    reply = text({"error": code, "message": sentence}, int(number))
    return Reply(reply.status, reply.pieces, JSON, _retry_after(kind, amount, now))


def _retry_after(kind: str, seconds: float, now: float) -> dict[str, str]:
    """Return a Retry-After header in whole seconds or as a date (RFC 9110); empty for other kinds."""
    if kind.endswith("_seconds"):
        return {"Retry-After": str(ceil(seconds))}
    if kind.endswith("_date"):
        return {"Retry-After": format_datetime(datetime.fromtimestamp(ceil(now + seconds), UTC), usegmt=True)}
    return {}
