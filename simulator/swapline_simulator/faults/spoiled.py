"""Corrupt results. Each function takes the right PNG and returns other bytes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from swapline_simulator.api.replies import page
from swapline_simulator.faults.modes import Mode
from swapline_simulator.imaging.drawing.photographs import jpeg
from swapline_simulator.imaging.pictures import png

if TYPE_CHECKING:
    from collections.abc import Callable


def _cut(picture: bytes) -> bytes:
    return picture[: len(picture) // 2]


def _corrupt(picture: bytes) -> bytes:
    spoiled = bytearray(picture)
    spoiled[len(spoiled) // 2] ^= 1
    return bytes(spoiled)


def _jpeg(picture: bytes) -> bytes:
    with Image.open(BytesIO(picture)) as opened:
        return jpeg(opened.convert("RGB"))


def _webp(picture: bytes) -> bytes:
    out = BytesIO()
    with Image.open(BytesIO(picture)) as opened:
        opened.convert("RGB").save(out, "WEBP", method=0)
    return out.getvalue()


def _white_space(picture: bytes) -> bytes:
    return picture + b"\n"


def _html(_picture: bytes) -> bytes:
    return page("504.html")


def _other_size(picture: bytes) -> bytes:
    with Image.open(BytesIO(picture)) as opened:
        return png(opened.convert("RGB").reduce(2))


SPOILED: dict[Mode, Callable[[bytes], bytes]] = {
    Mode.RESULT_CUT_PNG: _cut,
    Mode.RESULT_CORRUPT_PNG: _corrupt,
    Mode.RESULT_JPEG: _jpeg,
    Mode.RESULT_WEBP: _webp,
    Mode.RESULT_WHITE_SPACE: _white_space,
    Mode.RESULT_HTML: _html,
    Mode.RESULT_OTHER_SIZE: _other_size,
}
