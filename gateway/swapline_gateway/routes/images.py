"""`GET /v1/swaps/{id}/images/{n}`: a link of the store, or the bytes where the store has none."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from swapline_gateway.access import Caller
from swapline_gateway.routes.swaps import Reader
from swapline_gateway.schema import openapi
from swapline_gateway.schema.problems import Problem
from swapline_producer.contract import StoredPicture
from swapline_producer.errors import ObjectMissing

router = APIRouter(prefix="/v1/swaps", tags=["Swaps"])

LINK_LIFE_S = 3600.0
"""Seconds that a link works: long enough for a slow download to begin, short in a browser's history."""

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@router.get("/{swap_id}/images/{number}", responses=openapi.picture())
async def swap_image(
    request: Request, caller: Reader, swap_id: str, number: Annotated[int, Path(ge=0, le=1_000_000)]
) -> Response:
    """Fetch a picture: 302 to a link of the store that works for an hour, or its bytes where the store has no links.

    The ETag is its SHA-256; ranges are served.
    """
    service = caller.service
    job = await service.call(caller.view.get, swap_id)
    if number >= len(job.images):
        raise Problem(
            HTTPStatus.NOT_FOUND, "not-found", f"Swap {job.job_id} is {job.state} and has {len(job.images)} pictures."
        )
    image = job.images[number]
    link = await service.call(service.producer.storage.url, image.key, LINK_LIFE_S)
    if link.startswith(("http://", "https://")):
        return Response(status_code=HTTPStatus.FOUND, headers={"Location": link})
    headers = {"ETag": f'"{image.sha256}"', "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
    if any(tag.strip() in {headers["ETag"], "*"} for tag in request.headers.get("If-None-Match", "").split(",")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return _of_range(await _bytes(caller, image), request, headers, PurePosixPath(image.key).suffix)


async def _bytes(caller: Caller, image: StoredPicture) -> bytes:
    try:
        return await caller.service.call_with_picture(caller.service.producer.picture, image)
    except ObjectMissing:
        raise Problem(HTTPStatus.GONE, "deleted", "The picture was deleted when its time was over.") from None


def _of_range(data: bytes, request: Request, headers: dict[str, str], suffix: str) -> Response:
    """Answer with the picture, or the part that a Range header asks for."""
    kind = MEDIA_TYPES.get(suffix, "application/octet-stream")
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or not any(found.groups()) or request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        return Response(data, headers=headers, media_type=kind)
    first, last = span(found[1], found[2], len(data))
    if first >= len(data) or last < first:
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "range-not-satisfiable",
            f"The picture has {len(data)} bytes.",
            {"Content-Range": f"bytes */{len(data)}"},
        )
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], HTTPStatus.PARTIAL_CONTENT, headers, media_type=kind)


def span(first: str, last: str, size: int) -> tuple[int, int]:
    """The first and last byte of a range (RFC 9110, 14.1.2): `5-9`, `5-`, or the last five as `-5`."""
    if not first:
        return max(0, size - int(last)), size - 1 if int(last) else -1
    return int(first), min(int(last), size - 1) if last else size - 1
