"""The digital source type, in each file format, as other programs read it; no pixel changes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from support.pictures.photographs import picture, saved
from swapline_producer.client.inputs.picture_formats import measure
from swapline_producer.pictures.kinds import source_kind
from swapline_workers.core.reply.picture import whole_picture
from swapline_workers.pictures.xmp import SCHEME, marked

TYPE = "compositeWithTrainedAlgorithmicMedia"
FILES = {
    "PNG": saved("PNG"),
    "JPEG": saved("JPEG"),
    "JPEG without JFIF": b"\xff\xd8" + saved("JPEG")[20:],
    "WebP": saved("WEBP"),
    "WebP of an odd length": saved("WEBP", picture("RGB", (31, 17)), quality=37),
    "lossless WebP": saved("WEBP", lossless=True),
    "transparent lossless WebP": saved("WEBP", Image.new("RGBA", (20, 10), (9, 9, 9, 90)), lossless=True),
    "transparent WebP": saved("WEBP", Image.new("RGBA", (20, 10), (9, 9, 9, 90))),
    "WebP with a profile": saved("WEBP", icc_profile=b"profile"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_mark_is_read_by_another_program_and_no_pixel_changes(name: str) -> None:
    data = FILES[name]
    kind = str(source_kind(data))
    found = marked(data, kind, TYPE)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(found)) as after:
        assert (after.mode, after.size) == (before.mode, before.size)
        assert after.tobytes() == before.tobytes()
        xmp = after.info.get("xmp") or after.info["XML:com.adobe.xmp"].encode()
        assert (SCHEME + TYPE).encode() in xmp
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
    assert whole_picture(found, inflate=True) == found
    assert measure(found, kind) == measure(data, kind)
