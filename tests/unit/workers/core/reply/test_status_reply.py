"""Reading status replies: the quick way agrees with the plain one, whatever the reply looks like."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swapline_producer.contract import FailureCode
from swapline_workers.core.reply import status_reply as module
from swapline_workers.core.reply.picture_text import PictureError, decode
from swapline_workers.core.reply.status_reply import COMPLETED, ReplyError, beginning, id_of, read

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = bytes(range(256)) * 30
TEXT = base64.b64encode(PICTURE).decode()


def oracle(body: bytes) -> tuple[str, list[object]]:
    """Read a reply the slow and obvious way: parse all of it, decode with the standard library."""
    try:
        data = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise ReplyError("no JSON") from error
    status = data.get("status") if isinstance(data, dict) else None
    if not isinstance(status, str) or not 0 < len(status) <= 64 or not status.isprintable():
        raise ReplyError("no status")
    output = data.get("output")
    images = output.get("images") if isinstance(output, dict) else None
    images = images if isinstance(images, list) else [images]
    return data["status"], [_decoded(image) for image in images if image is not None and image != ""]


def _decoded(image: object) -> object:
    try:
        if isinstance(image, dict):
            image = image.get("data") or image.get("image") or image.get("base64")
        assert isinstance(image, str)
        text = re.sub(r'^data:[^,"]{0,255};base64,', "", re.sub("[\r\n]", "", image).strip(" \t"), flags=re.IGNORECASE)
        if "=" not in text:
            text += "=" * (-len(text) % 4)
        return base64.b64decode(text.encode("ascii"), altchars=None if set("+/") & set(text) else b"-_", validate=True)
    except (AssertionError, UnicodeEncodeError, binascii.Error):
        return "refused"


def quick(body: bytes) -> tuple[str, list[object]]:
    """Read a reply the way that is tested: at the beginning of a buffer in which an older one stands."""
    reply = read(bytearray(body) + b'", "status": "COMPLETED", "output": {"images": ["old"]}}', len(body))
    return reply.status, [_quickly(image) for image in reply.images]


def _quickly(image: object) -> object:
    try:
        return decode(image)
    except PictureError:
        return "refused"


def _reply(images: object, **more: object) -> bytes:
    return json.dumps({"id": "job-1", "status": "COMPLETED", "output": {"images": images}, **more}).encode()


SHAPES = {
    "a list, as the page says": _reply([TEXT]),
    "one string": _reply(TEXT),
    "a data URI": _reply(["data:image/png;base64," + TEXT]),
    "a data URI with escaped slashes": _reply(["data:image/png;base64," + TEXT]).replace(b"/", b"\\/"),
    "escaped slashes": _reply([TEXT]).replace(b"/", b"\\/"),
    "escaped letters": _reply([TEXT]).replace(b"A", b"\\u0041"),
    "line breaks": _reply(["\r\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)) + "\n"]),
    "a data URI and line breaks": _reply("data:image/png;base64,\n" + TEXT[:100] + "\n" + TEXT[100:]),
    "the picture first": json.dumps({"output": {"images": [TEXT]}, "status": "COMPLETED"}).encode(),
    "whitespace": json.dumps(json.loads(_reply([TEXT])), indent=4).encode() + b"\r\n\t ",
    "a byte order mark": b"\xef\xbb\xbf" + _reply([TEXT]),
    "nested status keys": _reply([TEXT], meta={"status": "FAILED"}, list=[{"status": "FAILED"}]),
    "nulls among the images": _reply([None, TEXT, ""]),
    "a long string that is no picture": _reply([TEXT], input=TEXT[::-1], log="\\" * 9000),
    "a long key": _reply([TEXT], **{"k" * 9000: 1}),
    "a status key twice": _reply([TEXT])[:-1] + b', "status": "COMPLETED"}',
    "output twice": b'{"output": {"images": ["' + b"QUFB" * 2000 + b'"]}, ' + _reply([TEXT])[1:],
    "very many strings": _reply([TEXT], log=["x"] * 20_000),
    "a string that could be a placeholder": _reply(["\0000", TEXT], log="\0001"),
    "many escaped quotation marks": _reply([TEXT], log='\\"' * 3000),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_a_completed_reply_gives_its_picture(name: str) -> None:
    status, images = quick(SHAPES[name])
    assert status == COMPLETED
    assert PICTURE in images
    assert (status, images) == oracle(SHAPES[name])


def test_the_usual_reply_is_cut_and_not_parsed_whole() -> None:
    reply = read(bytearray(SHAPES["a list, as the page says"]))
    assert isinstance(reply.images[0], memoryview)
    assert reply.data["id"] == "job-1"


WITHOUT = {
    "an empty list": _reply([]),
    "an empty string": _reply(""),
    "null": _reply(None),
    "a list of nothing": _reply([None, ""]),
    "no output": b'{"status": "COMPLETED"}',
    "output null": b'{"status": "COMPLETED", "output": null}',
    "output a list": b'{"status": "COMPLETED", "output": [{"images": ["QUFB"]}]}',
    "output a string": b'{"status": "COMPLETED", "output": "QUFB"}',
    "images elsewhere": b'{"status": "COMPLETED", "images": ["QUFB"], "output": {}}',
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_reply_without_pictures_has_none(name: str) -> None:
    assert read(WITHOUT[name]).images == []


@pytest.mark.parametrize(
    "image",
    [
        "not base64!",
        "QUFBQ",
        "QUFB====",
        "QUFBQQ=",
        "QUFB" * 2000 + "*",
        "QUFB" * 2000 + "\u2028",
        "QUFB QUFB",
        5,
        {},
        ["QUFB"],
        True,
    ],
)
def test_what_is_not_strict_base64_is_refused(image: object) -> None:
    (entry,) = read(_reply([image])).images
    with pytest.raises(PictureError):
        decode(entry)


NOT_REPLIES = {
    "nothing": b"",
    "a page": b"<html><body>502 Bad Gateway</body></html>",
    "a list": b'[{"status": "COMPLETED"}]',
    "a string": b'"COMPLETED"',
    "no status": b'{"id": "x"}',
    "a number": b'{"status": 5}',
    "an empty status": b'{"status": ""}',
    "cut short": _reply([TEXT])[:-1],
    "cut short in the picture": _reply([TEXT])[:5000],
    "two documents": _reply([TEXT]) + _reply([TEXT]),
    "UTF-16": _reply([TEXT]).decode().encode("utf-16"),
    "wrong UTF-8": b'{"status": "COMPLETED\xff"}',
    "deep nesting": b'{"status": "COMPLETED", "output": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep nesting of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("name", NOT_REPLIES)
def test_what_is_not_a_reply_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(ReplyError, match=r"^it (is|has) ") as refusal:
        read(NOT_REPLIES[name])
    assert len(str(refusal.value)) < 60


def test_a_raw_line_break_inside_a_string_is_not_json() -> None:
    broken = _reply([TEXT[:5000] + "@" + TEXT[5000:]]).replace(b"@", b"\n")
    with pytest.raises(ReplyError):
        decode(read(broken).images[0])


def test_text_of_backslashes_costs_no_time() -> None:
    assert quick(_reply([TEXT], log="\\" * 3_000_000)) == (COMPLETED, [PICTURE])


# JSON documents of every poll: each value is made as text, so that escapes and spaces are whatever JSON allows.
SPACE = st.sampled_from(["", "", " ", "\n\t"])
CHARACTER = st.one_of(
    st.sampled_from(
        ["a", "Z", "+", "=", "\\/", "/", "\\n", "\\\\", '\\"', "\\u0041", "\\u0000", "\\ud800", "é", "{", "]", ",", ":"]
    ),
)
STRING = st.one_of(
    st.lists(CHARACTER, max_size=60).map("".join),
    st.sampled_from(["status", "output", "images", "COMPLETED", "FAILED", "\\u00000", "\\u00001"]),
    st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode()),
    st.binary(max_size=60).map(lambda data: "data:image/png;base64," + base64.encodebytes(data).decode()),
).map(lambda text: '"' + text.replace("\n", "\\n") + '"')
SCALAR = st.one_of(STRING, st.sampled_from(["null", "true", "1", "-0.5e3"]))


def _list(items: list[str]) -> str:
    return "[" + ",".join(items) + "]"


def _object(items: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{space}{key}{space}:{space}{value}{space}" for space, key, value in items) + "}"


KEY = st.one_of(st.sampled_from(['"status"', '"output"', '"images"', '"id"']), STRING)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(_list),
        st.lists(st.tuples(SPACE, KEY, inner), max_size=4).map(_object),
    ),
    max_leaves=12,
)
OUTPUT = st.one_of(
    VALUE,
    st.one_of(STRING, st.lists(SCALAR, max_size=3).map(_list)).map(lambda images: '{"images":' + images + "}"),
)
ENTRY = st.one_of(
    st.tuples(SPACE, st.just('"status"'), STRING),
    st.tuples(SPACE, st.just('"output"'), OUTPUT),
    st.tuples(SPACE, KEY, VALUE),
)
DOCUMENT = st.one_of(st.lists(ENTRY, max_size=5).map(_object), VALUE).map(str.encode)


def _result(way: Callable[[bytes], object], body: bytes) -> object:
    try:
        return way(body)
    except ReplyError:
        return "no reply"


@pytest.fixture
def _short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 10)


@pytest.mark.usefixtures("_short_is_long")
class TestTheQuickWayAgreesWithThePlainOne:
    """With strings of ten characters counting as long ones, so that small documents reach every branch."""

    @given(body=DOCUMENT)
    @example(body=b'{"status":"COMPLETED","output":{"images":["QUFBQUFBQUFBQUFB","\\u00000"]}}')
    @example(body=b'{"status":"COMPLETED","output":{"images":["QUFBQUFBQUFB\\"QUFBQUFB"]}}')
    @settings(max_examples=400)
    def test_on_whole_documents(self, body: bytes) -> None:
        assert _result(quick, body) == _result(oracle, body)

    @given(body=DOCUMENT, data=st.data())
    @settings(max_examples=300)
    def test_on_damaged_documents(self, body: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(body)))
        damage = data.draw(st.sampled_from([b"", b'"', b"\\", b"\n", b"{", b"]", b",", b"\xff", b"\0"]))
        keep = data.draw(st.booleans())
        damaged = body[:at] + damage + (body[at:] if keep else b"")
        assert _result(quick, damaged) == _result(oracle, damaged)

    @given(limit=st.integers(0, 12), run=st.integers(1, 3), body=DOCUMENT)
    def test_wherever_it_gives_up_cutting(self, limit: int, run: int, body: bytes) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "QUOTES_LIMIT", limit)
            patch.setattr(module, "RUN_LIMIT", run)
            assert _result(quick, body) == _result(oracle, body)


@pytest.mark.parametrize("status", ["A" * 65, "A" * 4_000_000, "a\nb", "\x1b[31mDONE", "a\u2028b", "\0"])
def test_a_status_is_a_short_line_or_has_a_code_of_its_own(status: str) -> None:
    with pytest.raises(ReplyError) as refused:
        read(json.dumps({"status": status, "output": {"images": [TEXT]}}).encode())
    assert refused.value.code is FailureCode.VENDOR_STATUS_INVALID


@pytest.mark.parametrize("status", ["A" * 64, "IN PROGRESS 37 %", "läuft"])
def test_any_short_line_is_a_status(status: str) -> None:
    assert read(json.dumps({"status": status}).encode()).status == status


def _first(name: str, body: bytes) -> object:
    """Give the first top-level value of that name, as a parser of pairs sees it."""
    try:
        pairs = json.loads(body, object_pairs_hook=lambda pairs: pairs)
    except ValueError:
        return None
    pairs = pairs if isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs) else []
    return next((value for key, value in pairs if key == name), None)


@given(body=DOCUMENT, data=st.data())
@settings(max_examples=300)
def test_what_is_known_early_stands_first_in_the_whole_reply(body: bytes, data: st.DataObject) -> None:
    early = beginning(body[: data.draw(st.integers(0, len(body)))])
    if early.status == COMPLETED:
        assert _first("status", body) == COMPLETED
    if early.job_id is not None:
        assert str(_first("id", body)) == early.job_id


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "x", "status": "COMPLETED", "output": {"images": ["iVBOR',
        b'{"delayTime": 5, "x": {"status": "FAILED", "y": ["}", {"a": "\\""}]}, "status":"COMPLETED"',
        b'\xef\xbb\xbf \n{ "status" : "COMPLETED"',
        b'{"status": "COMPLETED"}',
    ],
)
def test_the_status_is_known_as_soon_as_it_has_arrived(body: bytes) -> None:
    assert beginning(body).status == COMPLETED
    at = body.rindex(b'COMPLETED"') + len(b'COMPLETED"')
    assert [beginning(body[:cut]).status for cut in range(at)] == [None] * at
    assert beginning(body[:at]).status == COMPLETED


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        (b'{"id": "job-1", "status": "COMPLETED", "output"', "job-1"),
        (b'{"status": "COMPLETED", "x": {"id": "other"}, "id": "job-1"', "job-1"),
        (b'{"id": "a\\/b\\u00e9", "status": "COMPLETED"', "a/b\u00e9"),
        (b'{"id": 12, "status": "COMPLETED"', "12"),
        (b'{"id": 12', None),
        (b'{"id": "job-1', None),
        (b'{"id": null, "status": "COMPLETED"', None),
        (b'{"id": 1.5, "status": "COMPLETED"', None),
        (b'{"status": "COMPLETED", "output": {"id": "other", "images": ["', None),
        (b'{"id": "\\ud800", "status": "COMPLETED"', None),
    ],
)
def test_the_id_is_known_as_soon_as_it_has_arrived(body: bytes, job_id: str | None) -> None:
    assert beginning(body).job_id == job_id


@pytest.mark.parametrize(
    ("data", "found"),
    [({}, None), ({"id": None}, None), ({"id": ""}, None), ({"id": "x"}, "x"), ({"id": 0}, "0"), ({"id": -7}, "-7")],
)
def test_an_id_is_text_or_an_integer_or_not_there(data: dict[str, object], found: str | None) -> None:
    assert id_of(data) == found


@pytest.mark.parametrize("value", [True, 1.5, ["x"], {"id": "x"}])
def test_any_other_id_is_not_understood(value: object) -> None:
    with pytest.raises(ReplyError):
        id_of({"id": value})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'["status", "COMPLETED"]',
        b'{"x": {"status": "COMPLETED"',
        b'"status": "COMPLETED"',
        b'{"x": "status", "y": "COMPLETED"',
        b'{} {"status": "COMPLETED"}',
    ],
)
def test_what_only_looks_like_a_status_is_none(body: bytes) -> None:
    assert beginning(body) == (None, None)
