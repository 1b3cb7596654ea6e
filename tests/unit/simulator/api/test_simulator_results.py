from __future__ import annotations

import base64
import gzip
import json
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from swapline_simulator.api.results import completed, in_mode, packed_letters
from swapline_simulator.enums import ApiVersion, Ratio, ResultSize
from swapline_simulator.faults.modes import Mode
from swapline_simulator.faults.script import Cue
from swapline_simulator.imaging.drawing.photographs import sample_photographs
from swapline_simulator.imaging.pictures import Recipe, render


@pytest.fixture(scope="module")
def png() -> bytes:
    return render(sample_photographs()[0], Recipe(12, Ratio.SQUARE, ApiVersion.V6, ResultSize.SMALL))


def body_of(png: bytes, mode: Mode, amount: float = 0) -> Any:
    reply = in_mode("job-1", Cue(mode, amount), base64.b64encode(png))
    return json.loads(b"".join(reply.pieces))


def picture(png: bytes, mode: Mode) -> bytes:
    return base64.b64decode(body_of(png, mode)["output"]["images"][0], validate=True)


def test_a_completed_job_is_reported_in_the_order_of_the_page(png: bytes) -> None:
    text = b"".join(completed("job-1", base64.b64encode(png)).pieces).decode()
    encoded = base64.b64encode(png).decode()
    assert text == f'{{"id":"job-1","status":"COMPLETED","output":{{"images":["{encoded}"]}}}}'


def test_the_length_of_a_reply_is_known_beforehand(png: bytes) -> None:
    reply = completed("job-1", base64.b64encode(png))
    assert reply.length == len(b"".join(reply.pieces))


def test_two_pictures_are_a_list_of_two(png: bytes) -> None:
    encoded = base64.b64encode(png).decode()
    assert body_of(png, Mode.RESULT_TWO)["output"]["images"] == [encoded, encoded]


def test_the_picture_may_be_a_string_and_no_list(png: bytes) -> None:
    assert body_of(png, Mode.RESULT_STRING)["output"]["images"] == base64.b64encode(png).decode()


def test_a_data_uri_has_its_prefix_and_line_breaks_and_the_same_picture(png: bytes) -> None:
    prefix, _, lines = body_of(png, Mode.RESULT_DATA_URI)["output"]["images"][0].partition(",")
    assert prefix == "data:image/png;base64"
    assert max(map(len, lines.split("\n"))) == 76
    assert base64.b64decode(lines) == png


def test_the_keys_may_come_in_another_order_with_the_times_of_the_host(png: bytes) -> None:
    assert list(body_of(png, Mode.RESULT_OTHER_ORDER)) == ["delayTime", "executionTime", "id", "output", "status"]


def test_the_output_may_be_missing_or_empty(png: bytes) -> None:
    assert body_of(png, Mode.RESULT_MISSING) == {"id": "job-1", "status": "COMPLETED"}
    assert body_of(png, Mode.RESULT_EMPTY)["output"] == {"images": []}


def test_malformed_text_is_no_base64(png: bytes) -> None:
    with pytest.raises(ValueError, match="base64"):
        picture(png, Mode.RESULT_NOT_BASE64)


def test_a_cut_png_is_the_first_half_of_the_picture(png: bytes) -> None:
    assert picture(png, Mode.RESULT_CUT_PNG) == png[: len(png) // 2]


def test_a_corrupt_png_differs_in_one_bit(png: bytes) -> None:
    spoiled = picture(png, Mode.RESULT_CORRUPT_PNG)
    assert sum((one ^ other).bit_count() for one, other in zip(png, spoiled, strict=True)) == 1


def test_a_jpeg_is_a_jpeg_of_the_same_size(png: bytes) -> None:
    with Image.open(BytesIO(picture(png, Mode.RESULT_JPEG))) as opened:
        assert (opened.format, opened.size) == ("JPEG", (1280, 1280))


def test_a_webp_is_a_webp_of_the_same_size(png: bytes) -> None:
    with Image.open(BytesIO(picture(png, Mode.RESULT_WEBP))) as opened:
        assert (opened.format, opened.size) == ("WEBP", (1280, 1280))


def test_the_same_picture_comes_in_other_spellings(png: bytes) -> None:
    encoded = base64.b64encode(png).decode()
    assert body_of(png, Mode.RESULT_CHARSET)["output"]["images"] == [f"data:image/png;charset=utf-8;base64,{encoded}"]
    assert body_of(png, Mode.RESULT_OBJECT)["output"]["images"] == [{"data": encoded, "type": "image/png"}]
    [url_safe] = body_of(png, Mode.RESULT_URL_SAFE)["output"]["images"]
    assert url_safe == base64.urlsafe_b64encode(png).decode().rstrip("=")
    assert picture(png, Mode.RESULT_WHITE_SPACE) == png + b"\n"


def test_a_page_as_picture_is_html(png: bytes) -> None:
    assert picture(png, Mode.RESULT_HTML).startswith(b"<html>")


def test_the_size_may_be_another_than_the_ratio_promises(png: bytes) -> None:
    with Image.open(BytesIO(picture(png, Mode.RESULT_OTHER_SIZE))) as opened:
        assert (opened.format, opened.size) == ("PNG", (640, 640))


def test_a_huge_body_is_valid_json_whose_length_is_not_announced(png: bytes) -> None:
    reply = in_mode("job-1", Cue(Mode.RESULT_HUGE, 3), base64.b64encode(png))
    assert reply.length is None
    assert len(json.loads(b"".join(reply.pieces))["output"]["images"][0]) == 3_000_000


def test_a_gzip_bomb_is_a_whole_gzip_stream_a_thousand_times_smaller_than_what_it_unpacks_to(png: bytes) -> None:
    reply = in_mode("job-1", Cue(Mode.RESULT_GZIP_BOMB, 5), base64.b64encode(png))
    packed = b"".join(reply.pieces)
    unpacked = gzip.decompress(packed)
    assert reply.headers == {"Content-Encoding": "gzip"}
    assert len(json.loads(unpacked)["output"]["images"][0]) == 5 * 2**20
    assert len(packed) < len(unpacked) / 900


def test_a_large_bomb_unpacks_to_its_last_byte() -> None:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    size = len(unpacker.decompress(packed_letters(b"head", 64, b"tail")))
    assert (size, unpacker.eof) == (8 + 64 * 2**20, True)
