"""Every spelling of a paid picture that can be read without a guess is read; none that needs one is."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.core.reply.picture_text import PictureError, decode
from swapline_workers.core.reply.status_reply import read

PICTURE = bytes(range(256)) * 30 + b"\xff\xfe"  # its length is no multiple of three, and it needs both + and /
TEXT = base64.b64encode(PICTURE).decode()
URL_SAFE = base64.urlsafe_b64encode(PICTURE).decode()

SPELLINGS: dict[str, object] = {
    "unpadded": TEXT.rstrip("="),
    "URL-safe": URL_SAFE,
    "URL-safe and unpadded": URL_SAFE.rstrip("="),
    "a data URI with a charset": "data:image/png;charset=utf-8;base64," + TEXT,
    "a data URI with a name": "data:image/png;name=a b.png;base64," + TEXT,
    "a data URI without a media type": "data:;base64," + TEXT,
    "a data URI in capitals": "DATA:IMAGE/PNG;BASE64," + TEXT,
    "a data URI that is escaped": "data:image/png;base64," + quote(TEXT, safe=""),
    "a data URI, unpadded": "data:image/png;charset=utf-8;base64," + URL_SAFE.rstrip("="),
    "lines without padding": "\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)).rstrip("="),
    "an object with data": {"data": TEXT, "type": "image/png"},
    "an object with image": {"type": "base64", "image": TEXT},
    "an object with base64": {"base64": URL_SAFE.rstrip("=")},
    "an object with a data URI": {"type": "image/png", "data": "data:image/png;base64," + TEXT},
    "an object with an empty one before": {"data": None, "image": "", "base64": TEXT},
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("listed", [True, False])
def test_a_spelling_that_can_be_read_is_read(name: str, listed: bool) -> None:
    images = [SPELLINGS[name]] if listed else SPELLINGS[name]
    [entry] = read(json.dumps({"status": "COMPLETED", "output": {"images": images}}).encode()).images
    assert decode(entry) == PICTURE


def test_objects_and_texts_may_stand_beside_each_other() -> None:
    body = {"status": "COMPLETED", "output": {"images": [{"data": TEXT}, TEXT, {"url": "https://a.example"}]}}
    first, second, third = read(json.dumps(body).encode()).images
    assert decode(first) == decode(second) == PICTURE
    with pytest.raises(PictureError, match="not text but dict"):
        decode(third)


@pytest.mark.parametrize(
    "image",
    [
        "QUFBQ",
        "QUFBQQ=",
        "QUFBQQ===",
        "QU%2B",
        "data:image/png,QUFB",
        "data:text/plain;a,b;base64,QUFB",
        {"data": 5},
        {"data": {"data": "QUFB"}},
        {"text": "QUFB"},
        {},
    ],
)
def test_what_would_have_to_be_guessed_is_refused(image: object) -> None:
    with pytest.raises(PictureError):
        decode(image)


@given(data=st.binary(), safe=st.booleans(), padded=st.booleans())
def test_all_bytes_survive_each_alphabet(data: bytes, safe: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if safe else base64.b64encode)(data).decode()
    assert decode(text if padded else text.rstrip("=")) == data
