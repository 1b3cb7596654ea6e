"""A poll: the status at once, the pictures on request, and never a failure that no reply reported."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson
import pytest
import requests
import responses

from support.pictures.pngs import SIGNATURE, chunk, ihdr, png, rows
from support.vendor.client import KEY, NOW, PICTURE, STATUS, V6, Dripping, all_texts, client, completed, dripping
from swapline_producer.contract import ApiVersion
from swapline_workers.adapters import vendor as vendor_module
from swapline_workers.core.reply.status_reply import PREFIX
from swapline_workers.errors import (
    MisdirectedReply,
    NotFound,
    NotSent,
    OutOfCredits,
    OutputInvalid,
    OutputMissing,
    Throttled,
    TooManyPictures,
    Unauthorized,
    Unclear,
    VendorError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = png(12, 8, seed=2)


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def _no_news(vendor: responses.RequestsMock, **reply: object) -> VendorError:
    vendor.post(STATUS, **reply)
    with pytest.raises(VendorError) as refusal, client().poll("job-abc-123", V6):
        pytest.fail("there is nothing to look at")
    assert KEY not in all_texts(refusal.value)
    return refusal.value


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "FAILED", "WARMING_UP", "completed", "ok \u2713"])
def test_the_status_is_the_vendors_word(vendor: responses.RequestsMock, status: str) -> None:
    vendor.post(STATUS, json={"id": "job-abc-123", "status": status})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == status
        assert status_reply.failure is None


def test_a_poll_is_a_post_without_a_body(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, json={"status": "IN_QUEUE"})
    with client().poll("job-abc-123", V6):
        pass
    request = vendor.calls[0].request
    assert not request.body
    assert request.headers["X-Key"] == f"Bearer {KEY}"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Content-Type" not in request.headers


def test_each_version_has_its_own_status_path(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS.replace("v6", "v5"), json={"status": "IN_QUEUE"})
    with client().poll("job-abc-123", ApiVersion.V5) as status_reply:
        assert status_reply.status == "IN_QUEUE"


@pytest.mark.parametrize("job_id", ["a/b", "a b", "../admin", "a?b=c", "a#b", "ü", "a%2Fb", "a;b", "%"])
def test_an_id_is_one_segment_of_the_path_whatever_it_is(vendor: responses.RequestsMock, job_id: str) -> None:
    seen: list[str] = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        seen.append(str(request.url))
        return 200, {}, '{"status": "IN_QUEUE"}'

    vendor.add_callback("POST", re.compile(r"https://vendor\.test/.*"), answer)
    with client().poll(job_id, V6):
        pass
    prefix = "https://vendor.test/v6/status/"
    assert seen[0].startswith(prefix)
    assert unquote(seen[0].removeprefix(prefix)) == job_id
    assert not set("/?#") & set(seen[0].removeprefix(prefix))


def test_pictures_are_the_very_bytes(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=completed(PICTURE, SECOND))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        assert status_reply.pictures() == [PICTURE, SECOND]


IMAGES = base64.b64encode(PICTURE).decode()
BEGUN = b'{"id": "job-abc-123", "status": "COMPLETED", "output": {"images": ["'
SHAPES = {
    "one string": {"status": "COMPLETED", "output": {"images": IMAGES}},
    "a data URI with line breaks": {
        "status": "COMPLETED",
        "output": {"images": ["data:image/png;base64," + base64.encodebytes(PICTURE).decode()]},
    },
    "the pictures first": {"output": {"images": [IMAGES]}, "status": "COMPLETED"},
    "a null beside it": {"status": "COMPLETED", "output": {"images": [None, IMAGES]}},
}


@pytest.mark.parametrize("name", SHAPES)
def test_pictures_may_come_in_other_shapes(vendor: responses.RequestsMock, name: str) -> None:
    vendor.post(STATUS, json=SHAPES[name])
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        assert status_reply.pictures() == [PICTURE]


def _reply_in_pieces(size: int, body: bytes) -> io.BufferedReader:
    return dripping(*[body[at : at + size] for at in range(0, len(body), size)])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_reply_may_come_in_pieces(vendor: responses.RequestsMock, size: int) -> None:
    vendor.post(STATUS, body=_reply_in_pieces(size, completed(PICTURE)))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.pictures() == [PICTURE]


def test_completed_is_known_before_the_picture_is_read(vendor: responses.RequestsMock) -> None:
    raw = Dripping(BEGUN[:40], BEGUN[40:], IMAGES.encode(), b'"]}}')
    vendor.post(STATUS, body=io.BufferedReader(raw))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        assert raw.given == 2
        assert status_reply.pictures() == [PICTURE]


def test_a_poll_may_be_left_without_reading_its_pictures(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=completed(PICTURE))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"


def test_the_status_may_come_after_a_long_beginning(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, json={"log": "x" * 2 * PREFIX, "status": "IN_PROGRESS"})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "IN_PROGRESS"


def test_held_is_the_time_until_the_first_word_of_the_reply(vendor: responses.RequestsMock) -> None:
    times = iter([100.0, 117.5])
    vendor.post(STATUS, body=dripping(b" ", b"\n", b'{"status": "IN_PROGRESS"}'))
    with client(clock=lambda: next(times)).poll("job-abc-123", V6) as status_reply:
        assert status_reply.answered_after == 17.5


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": "INVALID_IMAGE"}, "INVALID_IMAGE"),
        ({"output": {"error": {"code": "WORKFLOW_FETCH_FAILED"}}}, "WORKFLOW_FETCH_FAILED"),
        ({"error": "handler: FILTER_BLOCKED for group"}, "FILTER_BLOCKED"),
        ({"error": "out of memory\n"}, "out of memory"),
        ({"output": {"message": "no face found"}}, "no face found"),
        ({"errors": [{"detail": {"msg": "bad"}}]}, "bad"),
        ({"error": "x " * 500}, ("x " * 150).strip()),
        ({"error": f"no {KEY}"}, "no [key]"),
        ({"error": None, "output": None}, None),
    ],
)
def test_a_failure_has_the_vendors_code_or_words(
    vendor: responses.RequestsMock, body: dict[str, object], failure: str | None
) -> None:
    vendor.post(STATUS, json={"id": "job-abc-123", "status": "FAILED", **body})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "FAILED"
        assert status_reply.failure == failure


MISSING = [{}, {"output": None}, {"output": {}}, {"output": {"images": []}}, {"output": {"images": ""}}, {"output": []}]


@pytest.mark.parametrize("more", MISSING)
def test_completed_without_a_picture_is_missing_output(vendor: responses.RequestsMock, more: dict[str, object]) -> None:
    vendor.post(STATUS, json={"status": "COMPLETED", **more})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(OutputMissing):
            status_reply.pictures()


@pytest.mark.parametrize("number", [1, 3])
def test_more_pictures_than_the_setting_admits_are_not_even_decoded(
    vendor: responses.RequestsMock, number: int
) -> None:
    vendor.post(STATUS, json={"id": "job-abc-123", "status": "COMPLETED", "output": {"images": ["***"] * (number + 1)}})
    with client(max_pictures=number).poll("job-abc-123", V6) as status_reply, pytest.raises(TooManyPictures) as refused:
        status_reply.pictures()
    assert str(refused.value) == f"the reply has {number + 1} pictures, more than the {number} of SWAPLINE_MAX_PICTURES"
    assert refused.value.code == "OUTPUT_TOO_MANY"


def test_sixteen_pictures_are_admitted_where_nothing_is_set(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=completed(*[PICTURE] * 16))
    with client().poll("job-abc-123", V6) as status_reply:
        assert len(status_reply.pictures()) == 16


def test_a_status_without_end_is_no_news_and_is_not_quoted(vendor: responses.RequestsMock) -> None:
    error = _no_news(vendor, json={"id": "job-abc-123", "status": "A" * 4_000_000})
    assert isinstance(error, Unclear)
    assert error.code == "VENDOR_STATUS_INVALID"
    assert len(all_texts(error)) < 2000


BAD = {
    "garbage": "***" + IMAGES,
    "a URL": "https://cdn.test/1.png",
    "no text": 5,
    "a PNG cut short": base64.b64encode(PICTURE[:-20]).decode(),
    "a JPEG": base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(5000)).decode(),
    "a page": base64.b64encode(b"<html></html>").decode(),
    "a bit flip": base64.b64encode(PICTURE[:99] + b"\0" + PICTURE[100:]).decode(),
}


READ = {
    "an object": {"data": IMAGES, "type": "image/png"},
    "unpadded": IMAGES.rstrip("="),
    "URL-safe": IMAGES.replace("+", "-").replace("/", "_"),
    "a data URI with a charset": f"data:image/png;charset=utf-8;base64,{IMAGES}",
    "a line break after IEND": base64.b64encode(PICTURE + b"\n").decode(),
}


@pytest.mark.parametrize("name", READ)
def test_a_paid_picture_is_read_in_another_spelling(vendor: responses.RequestsMock, name: str) -> None:
    vendor.post(STATUS, json={"id": "job-abc-123", "status": "COMPLETED", "output": {"images": [READ[name]]}})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.pictures() == [PICTURE]


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_whole_picture_is_invalid_output(vendor: responses.RequestsMock, name: str) -> None:
    vendor.post(STATUS, json={"status": "COMPLETED", "output": {"images": [IMAGES, BAD[name]]}})
    with (
        client().poll("job-abc-123", V6) as status_reply,
        pytest.raises(OutputInvalid, match="picture 1 of the reply") as bad,
    ):
        status_reply.pictures()
    assert len(str(bad.value)) < 400


def test_half_of_the_rows_are_seen_unless_it_is_asked_not_to_count_them(vendor: responses.RequestsMock) -> None:
    half = SIGNATURE + ihdr(8, 8) + chunk(b"IDAT", zlib.compress(rows(8, 4))) + chunk(b"IEND")
    vendor.post(STATUS, body=completed(half))
    with client().poll("job-abc-123", V6) as status_reply, pytest.raises(OutputInvalid):
        status_reply.pictures()
    with client(inflate=False).poll("job-abc-123", V6) as status_reply:
        assert status_reply.pictures() == [half]


OTHERS = {
    "at once": b'{"id": "job-2", "status": "COMPLETED", "output": {"images": ["' + IMAGES.encode() + b'"]}}',
    "the status first": b'{"status": "COMPLETED", "id": "job-2", "output": {"images": ["' + IMAGES.encode() + b'"]}}',
    "at the end": b'{"status": "COMPLETED", "output": {"images": ["' + IMAGES.encode() + b'"]}, "id": "job-2"}',
    "a failure": b'{"id": "job-2", "status": "FAILED", "error": "INVALID_IMAGE"}',
    "not done": b'{"id": "job-2", "status": "IN_PROGRESS"}',
    "a number": b'{"id": 2, "status": "COMPLETED", "output": {"images": ["' + IMAGES.encode() + b'"]}}',
    "another case": b'{"id": "JOB-ABC-123", "status": "FAILED"}',
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_reply_about_another_job_is_no_news_whatever_it_says(vendor: responses.RequestsMock, name: str) -> None:
    error = _no_news(vendor, body=OTHERS[name])
    assert type(error) is MisdirectedReply
    assert "'job-abc-123' was asked for" in str(error)


def test_a_reply_that_becomes_one_about_another_job_gives_no_picture(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=completed(PICTURE)[:-1] + b', "id": "job-2"}')
    with client().poll("job-abc-123", V6) as status_reply, pytest.raises(MisdirectedReply):
        status_reply.pictures()


@pytest.mark.parametrize("head", [b"{", b'{"id": null, ', b'{"id": "", '])
def test_a_reply_without_an_id_is_believed_when_it_is_whole(vendor: responses.RequestsMock, head: bytes) -> None:
    raw = Dripping(head + b'"status": "COMPLETED", "output": {"images": ["', IMAGES.encode(), b'"]}}')
    vendor.post(STATUS, body=io.BufferedReader(raw))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        assert raw.given == 3
        assert status_reply.pictures() == [PICTURE]


@pytest.mark.parametrize("value", [5, "5"])
def test_a_number_may_be_an_id(vendor: responses.RequestsMock, value: object) -> None:
    vendor.post(STATUS.replace("job-abc-123", "5"), json={"id": value, "status": "IN_QUEUE"})
    with client().poll("5", V6) as status_reply:
        assert status_reply.status == "IN_QUEUE"


UNREADABLE = [
    b'{"id": true, "status": "FAILED"}',
    b'{"id": ["job-abc-123"], "status": "COMPLETED"}',
    b"",
    b"OK",
    b"<html>504</html>",
    b"null",
    b"[]",
    b'{"id": "job-abc-123"}',
    b'{"status": 5}',
    b'{"status": "FAILED"',
    b"\xff\xfe{",
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_2xx_that_cannot_be_read_is_no_news(vendor: responses.RequestsMock, body: bytes) -> None:
    assert type(_no_news(vendor, body=body)) is Unclear


def test_a_failed_that_is_cut_off_is_no_failure(vendor: responses.RequestsMock) -> None:
    cut = dripping(b'{"status": "FAILED"', error=ConnectionResetError(104, "Connection reset by peer"))
    assert type(_no_news(vendor, body=cut)) is Unclear


@pytest.mark.parametrize("tail", [b'", "status": "FAILED"}', b"\n", b'"]}', b""])
def test_a_completed_that_ends_in_something_else_is_unclear(vendor: responses.RequestsMock, tail: bytes) -> None:
    vendor.post(STATUS, body=BEGUN + IMAGES.encode() + tail)
    with client().poll("job-abc-123", V6) as status_reply, pytest.raises(Unclear):
        status_reply.pictures()


def test_two_statuses_that_contradict_each_other_are_unclear(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=completed(PICTURE)[:-1] + b', "status": "IN_PROGRESS"}')
    with client().poll("job-abc-123", V6) as status_reply, pytest.raises(Unclear, match="ends as something else"):
        status_reply.pictures()


def test_pictures_that_break_off_are_unclear(vendor: responses.RequestsMock) -> None:
    body = completed(PICTURE)
    vendor.post(STATUS, body=dripping(body[:-900], error=ConnectionResetError(104, "Connection reset by peer")))
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(Unclear, match="Connection reset by peer"):
            status_reply.pictures()


STATUSES = {
    401: Unauthorized,
    403: Unauthorized,
    402: OutOfCredits,
    404: NotFound,
    429: Throttled,
    **dict.fromkeys((300, 301, 302, 304, 307, 308), Unclear),
    **dict.fromkeys((400, 405, 408, 409, 410, 422, 425, 499), Unclear),
    **dict.fromkeys((500, 502, 503, 504, 524), Unclear),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", ["", '{"status": "FAILED", "error": "INVALID_IMAGE"}', "<html></html>"])
def test_no_status_of_http_says_that_a_job_failed(vendor: responses.RequestsMock, status: int, body: str) -> None:
    error = _no_news(vendor, status=status, body=body, headers={"Location": "https://elsewhere.test/"})
    assert type(error) is STATUSES[status]
    assert error.evidence["status"] == status


def test_retry_after_is_respected(vendor: responses.RequestsMock) -> None:
    error = _no_news(vendor, status=429, headers={"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"})
    assert isinstance(error, Throttled)
    assert error.retry_after == 30
    assert NOW == 1_700_000_000


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_2xx_is_read(vendor: responses.RequestsMock, status: int) -> None:
    vendor.post(STATUS, body=completed(PICTURE), status=status)
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.pictures() == [PICTURE]


def test_a_connection_that_was_never_made_is_distinguished(vendor: responses.RequestsMock) -> None:
    assert type(_no_news(vendor, body=requests.ConnectTimeout("connect"))) is NotSent


def test_a_packed_reply_is_unpacked(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, body=gzip.compress(completed(PICTURE)), headers={"Content-Encoding": "gzip"})
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.pictures() == [PICTURE]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "rot13"])
def test_what_is_packed_in_another_way_than_it_says_is_no_news(vendor: responses.RequestsMock, encoding: str) -> None:
    packed = b"\x01\x02\x03" + gzip.compress(completed(PICTURE))
    assert type(_no_news(vendor, body=packed, headers={"Content-Encoding": encoding})) is Unclear


@pytest.fixture
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_module, "REPLY_LIMIT", 100_000)


@pytest.mark.usefixtures("_small_limit")
@pytest.mark.parametrize("packed", [True, False])
def test_a_reply_that_does_not_end_is_given_up(vendor: responses.RequestsMock, *, packed: bool) -> None:
    body = BEGUN + b"A" * 10_000_000 + b'"]}}'
    headers = {"Content-Encoding": "gzip"} if packed else {}
    vendor.post(STATUS, body=gzip.compress(body) if packed else body, headers=headers)
    with client().poll("job-abc-123", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(OutputInvalid, match="64 MiB"):
            status_reply.pictures()


@pytest.mark.usefixtures("_small_limit")
def test_a_reply_that_does_not_come_to_its_status_is_no_news(vendor: responses.RequestsMock) -> None:
    assert type(_no_news(vendor, json={"log": "x" * 200_000, "status": "COMPLETED"})) is Unclear


def test_an_error_of_the_caller_passes_through_the_block(vendor: responses.RequestsMock) -> None:
    vendor.post(STATUS, json={"status": "IN_QUEUE"})
    with pytest.raises(ZeroDivisionError), client().poll("job-abc-123", V6):
        raise ZeroDivisionError


def test_an_id_that_no_url_can_carry_is_no_news() -> None:
    with pytest.raises(Unclear), client().poll("\ud800", V6):
        pass


def test_evidence_holds_no_picture(vendor: responses.RequestsMock) -> None:
    error = _no_news(vendor, body=b"{" + completed(PICTURE))
    assert IMAGES[:48] not in all_texts(error)
    assert json.dumps(error.evidence)
    assert orjson.dumps(error.evidence)


@pytest.mark.parametrize("pad", [0, 60, 190, 290, 4080, 4090])
def test_a_key_that_is_echoed_is_masked_wherever_it_stands(vendor: responses.RequestsMock, pad: int) -> None:
    error = _no_news(vendor, body=b"x" * pad + KEY.encode() + b" <html>")
    assert KEY[:6] not in all_texts(error)
