"""Whether a picture has a face to swap, before it is paid for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode
from swapline_producer.errors import ImageError
from swapline_producer.pictures.prepare import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SMALLEST = 64
"""Pixels of width below which a result shows little of a face."""


def check_faces(data: bytes, kind: str, *, group: bool) -> tuple[str, ...]:
    """Return warnings about faces; `group`: every face is swapped.

    Raises ImageError with NO_FACE_FOUND, and where the extra is missing.
    """
    if find_spec("dlib") is None or find_spec("PIL") is None:
        raise ImageError(f"require_face needs a detector: install {EXTRA}.", field="require_face")
    from swapline_producer.pictures.sandbox import Refused, sandbox  # noqa: PLC0415 -- few pictures need it

    try:
        facts, _ = sandbox.ask("faces", {"kind": kind}, data)
    except Refused as error:
        raise ImageError(f"The picture {error}.", field="image", code=FailureCode.INVALID_IMAGE) from None
    if not facts["faces"]:
        raise ImageError(
            "No face was found in the picture; give one that shows a face from the front, or leave require_face out.",
            field="image",
            code=FailureCode.NO_FACE_FOUND,
        )
    return tuple(_warnings(facts["faces"], facts["size"], group=group))


def check_link_examined(*, required: bool | None) -> None:
    """Raise ImageError for a face required in a picture that only the vendor fetches."""
    if required:
        raise ImageError("require_face needs the picture itself, not its URL.", field="require_face")


def _warnings(faces: list[list[int]], size: Iterable[int], *, group: bool) -> Iterator[str]:
    if len(faces) > 1 and not group:
        yield f"{len(faces)} faces were found, and one is swapped: which one is for the vendor to say"
    left, top, right, bottom = max(faces, key=lambda face: face[2] - face[0])
    width, height = size
    if right - left < SMALLEST:
        yield f"the face is {right - left} pixels wide: little of it will be seen"
    if left < 0 or top < 0 or right >= width or bottom >= height:
        yield "the face reaches over the edge of the picture"
