"""The paid call: what is sent, and what every reply to it means."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from pydantic import SecretStr
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from support.vendor.client import IMAGE, KEY, SUBMIT, UUID_FILTER, all_texts, client, dripping, sent, spec
from swapline_producer.contract import FailureCode
from swapline_producer.errors import SettingsError
from swapline_workers.adapters.vendor import VendorClient
from swapline_workers.errors import (
    NotFound,
    NotSent,
    OutOfCredits,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
    VendorError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from swapline_workers.steps.ports import Vendor

ACCEPTED = {"id": "job-abc-123", "status": "IN_QUEUE"}


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def _refused(vendor: responses.RequestsMock, **reply: object) -> VendorError:
    vendor.post(SUBMIT, **reply)
    with pytest.raises(VendorError) as refusal:
        client().submit(spec(), IMAGE)
    assert len(vendor.calls) == 1, "a paid call is made once"
    assert KEY not in all_texts(refusal.value)
    return refusal.value


def test_the_client_is_the_port_vendor() -> None:
    port: Vendor = client()
    assert port


def test_the_id_and_the_first_status_come_back(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT, json=ACCEPTED)
    assert client().submit(spec(), IMAGE) == ("job-abc-123", "IN_QUEUE")


def test_the_key_travels_in_the_header_of_the_settings(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT, json=ACCEPTED)
    client(key_header="X-Api-Token", key_prefix="Token ").submit(spec(), IMAGE)
    headers = vendor.calls[0].request.headers
    assert headers["X-Api-Token"] == f"Token {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"


def test_a_submission_asks_for_a_connection_of_its_own(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT, json=ACCEPTED)
    client().submit(spec(), IMAGE)
    assert vendor.calls[0].request.headers["Connection"] == "close"


MINIMAL = {"base64": IMAGE, "gender": 0, "filter_id": 12}


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, MINIMAL),
        ({"gender": 4}, MINIMAL | {"gender": 4}),
        ({"filter_id": UUID_FILTER}, MINIMAL | {"filter_id": str(UUID_FILTER)}),
        ({"ratio": "landscape"}, MINIMAL | {"ratio": "landscape"}),
        ({"quality_mode": "v6.1"}, MINIMAL | {"quality_mode": "v6.1"}),
        ({"ratio": "square", "quality_mode": "v6"}, MINIMAL | {"ratio": "square", "quality_mode": "v6"}),
        ({"metadata": {"a": "b"}, "tenant": "x", "webhook_url": "https://x.test/"}, MINIMAL),
    ],
)
def test_the_body_is_what_the_page_names_and_only_what_is_set(
    vendor: responses.RequestsMock, fields: dict[str, object], body: dict[str, object]
) -> None:
    vendor.post(SUBMIT, json=ACCEPTED)
    client().submit(spec(**fields), IMAGE)
    assert sent(vendor.calls[0].request) == body


def test_v5_has_its_own_path_and_further_fields(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT.replace("v6", "v5"), json=ACCEPTED)
    client().submit(spec(api_version="v5", extra={"steps": 30, "face": {"index": [0]}, "note": None}), IMAGE)
    assert sent(vendor.calls[0].request) == MINIMAL | {"steps": 30, "face": {"index": [0]}, "note": None}


def test_a_base_url_with_a_path_and_a_slash_is_kept(vendor: responses.RequestsMock) -> None:
    vendor.post("https://gateway.test/face/v6/run/face_swap", json=ACCEPTED)
    assert client("https://gateway.test/face/").submit(spec(), IMAGE).vendor_job_id == "job-abc-123"


@pytest.mark.parametrize("status", [200, 201, 202, 226])
def test_any_2xx_with_an_id_is_an_acceptance(vendor: responses.RequestsMock, status: int) -> None:
    vendor.post(SUBMIT, json=ACCEPTED, status=status)
    assert client().submit(spec(), IMAGE) == ("job-abc-123", "IN_QUEUE")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"id": 4711, "status": "IN_QUEUE"}, ("4711", "IN_QUEUE")),
        ({"id": "a/b c?d=ü", "status": "WHATEVER"}, ("a/b c?d=ü", "WHATEVER")),
        ({"id": "x" * 256}, ("x" * 256, "")),
        ({"id": "x", "status": None}, ("x", "")),
        ({"status": "IN_QUEUE", "id": "x", "delayTime": 3, "output": None}, ("x", "IN_QUEUE")),
    ],
)
def test_an_id_may_be_a_number_or_any_short_text(
    vendor: responses.RequestsMock, reply: dict[str, object], expected: tuple[str, str]
) -> None:
    vendor.post(SUBMIT, json=reply)
    assert client().submit(spec(), IMAGE) == expected


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"OK", b"<html>504</html>", b"null", b"[]", b'"job-abc-123"', b'[{"id": "x"}]', b"{}",
        b'{"status": "IN_QUEUE"}', b'{"error": "FILTER_BLOCKED"}', b'{"id": null}', b'{"id": ""}', b'{"id": "  "}',
        b'{"id": true}', b'{"id": 1.5}', b'{"id": ["x"]}', b'{"id": {"id": "x"}}', b'{"id": "' + b"x" * 257 + b'"}',
        b'{"id": "a\\nb"}', b'{"id": "a\\u0000b"}', b'{"id": "."}', b'{"id": ".."}', b'{"id": "job-abc-',
        b'{"id": "a\xff"}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_2xx_without_a_usable_id_is_unclear(vendor: responses.RequestsMock, reply: bytes) -> None:
    assert type(_refused(vendor, body=reply)) is Unclear


VENDORS_FIVE = [
    (422, FailureCode.FILTER_BLOCKED),
    (422, FailureCode.FILTER_NOT_FOUND),
    (422, FailureCode.WORKFLOW_FETCH_FAILED),
    (422, FailureCode.INVALID_QUALITY_MODE),
    (400, FailureCode.INVALID_IMAGE),
]
PLACES: dict[str, Callable[[str], Any]] = {
    "error": lambda code: {"error": code},
    "code": lambda code: {"code": code},
    "detail": lambda code: {"detail": code},
    "error and a sentence": lambda code: {"error": code, "message": "see INVALID_IMAGE_2 in the docs"},
    "nested": lambda code: {"detail": {"code": code, "message": "no"}},
    "a list": lambda code: {"detail": [{"loc": ["body"], "msg": f"Value error, {code}: no", "type": "value_error"}]},
    "a list of lists": lambda code: [[[{"errors": [code]}]]],
    "text": lambda code: f"Error {code}: the filter",
    "a string": json.dumps,
    "with spaces": lambda code: {"error": f" {code}\n"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("status", "code"), VENDORS_FIVE)
def test_the_vendors_code_is_found_wherever_the_body_puts_it(
    vendor: responses.RequestsMock, status: int, code: FailureCode, place: str
) -> None:
    body = PLACES[place](code.value)
    error = _refused(vendor, status=status, **({"body": body} if isinstance(body, str) else {"json": body}))
    assert isinstance(error, Refused)
    assert error.code is code
    assert error.evidence["status"] == status
    assert code in str(error.evidence["body"])


def test_a_value_counts_before_a_word_in_a_sentence(vendor: responses.RequestsMock) -> None:
    body = {"message": "not INVALID_IMAGE but", "error": {"code": "FILTER_BLOCKED"}}
    error = _refused(vendor, status=422, json=body)
    assert isinstance(error, Refused)
    assert error.code is FailureCode.FILTER_BLOCKED


@pytest.mark.parametrize("status", [400, 406, 409, 410, 411, 413, 414, 415, 418, 422, 431, 451, 499])
@pytest.mark.parametrize("body", ["", "no", "<html>FILTER</html>", '{"error": "SOMETHING_NEW"}', "XFILTER_BLOCKED"])
def test_any_other_4xx_is_refused_as_rejected(vendor: responses.RequestsMock, status: int, body: str) -> None:
    error = _refused(vendor, status=status, body=body)
    assert isinstance(error, Refused)
    assert error.code is FailureCode.VENDOR_REJECTED


STATUSES = {
    401: Unauthorized,
    403: Unauthorized,
    402: OutOfCredits,
    404: NotFound,
    405: NotFound,
    429: Throttled,
    408: Unclear,
    425: Unclear,
    **dict.fromkeys((300, 301, 302, 303, 304, 307, 308), NotFound),
    **dict.fromkeys((500, 501, 502, 503, 504, 520, 524, 599), Unclear),
    **dict.fromkeys((101, 103), Unclear),
}


@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_a_refusal_that_says_in_words_that_all_places_are_taken_is_the_vendors_cap(
    vendor: responses.RequestsMock,
    status: int,
) -> None:
    error_body = {"error": {"code": "CONCURRENCY_LIMIT", "message": "You have 3 running jobs"}}
    error = _refused(vendor, status=status, json=error_body, headers={"Retry-After": "7"})
    assert isinstance(error, Throttled)
    assert error.retry_after == 7


def test_one_of_the_vendors_five_codes_is_never_taken_for_its_cap(vendor: responses.RequestsMock) -> None:
    error_body = {"error": {"code": "INVALID_IMAGE", "message": "Rate limit of faces: too many jobs for one image"}}
    error = _refused(vendor, status=400, json=error_body)
    assert isinstance(error, Refused)
    assert error.code is FailureCode.INVALID_IMAGE


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", ["", '{"error": "no"}', "<html><title>no</title></html>"])
def test_each_status_has_its_meaning(vendor: responses.RequestsMock, status: int, body: str) -> None:
    error = _refused(vendor, status=status, body=body)
    assert type(error) is STATUSES[status]
    assert error.evidence == {"status": status, "body": body}
    assert str(status) in str(error)


def test_a_404_that_names_a_filter_is_about_the_filter(vendor: responses.RequestsMock) -> None:
    error = _refused(vendor, status=404, json={"error": "FILTER_NOT_FOUND"})
    assert isinstance(error, Refused)
    assert error.code is FailureCode.FILTER_NOT_FOUND


@pytest.mark.parametrize("where", ["https://elsewhere.test/v6/run/face_swap", "/login", "ftp://x", "http://[", ""])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(vendor: responses.RequestsMock, where: str) -> None:
    error = _refused(vendor, status=307, headers={"Location": where})
    assert type(error) is NotFound


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("17", 17),
        ("86400", 3600),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue Nov 14 22:13:50 2023", 30),
        ("Tue, 14 Nov 2023 22:12:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("soon", None),
        ("-5", None),
        ("1e99", None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    vendor: responses.RequestsMock, header: str | None, seconds: float | None
) -> None:
    error = _refused(vendor, status=429, headers={} if header is None else {"Retry-After": header})
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


POOL = HTTPConnectionPool("vendor.test")
CONNECTION = HTTPConnection("vendor.test")
NEVER_MADE = [
    requests.ConnectTimeout("connect"),
    requests.ConnectionError(MaxRetryError(POOL, "/", NewConnectionError(CONNECTION, "refused"))),
    requests.exceptions.InvalidURL("bad"),
]
LOST = [
    requests.ReadTimeout("read"),
    requests.ConnectionError(ConnectionResetError(104, "Connection reset by peer")),
    requests.exceptions.SSLError("decryption failed or bad record mac"),
    requests.exceptions.ChunkedEncodingError("cut"),
    BrokenPipeError(32, "Broken pipe"),
]


@pytest.mark.parametrize("error", NEVER_MADE, ids=lambda error: type(error).__name__)
def test_a_connection_that_was_never_made_is_not_sent(vendor: responses.RequestsMock, error: Exception) -> None:
    assert type(_refused(vendor, body=error)) is NotSent


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_reply_that_was_lost_is_unclear(vendor: responses.RequestsMock, error: Exception) -> None:
    assert type(_refused(vendor, body=error)) is Unclear


def test_a_body_that_breaks_off_is_unclear(vendor: responses.RequestsMock) -> None:
    error = _refused(vendor, body=dripping(b'{"id": "job', error=ConnectionResetError(104, "Connection reset by peer")))
    assert type(error) is Unclear
    assert "Connection reset by peer" in str(error)


def test_an_id_that_arrived_counts_although_the_connection_broke_after_it(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT, body=dripping(b'{"id": "job', b'-1"}', error=ConnectionResetError()))
    assert client().submit(spec(), IMAGE).vendor_job_id == "job-1"


def test_a_status_that_arrived_counts_although_its_body_broke_off(vendor: responses.RequestsMock) -> None:
    error = _refused(vendor, status=422, body=dripping(b'{"error": "FILTER_BLOCKED', error=ConnectionResetError()))
    assert isinstance(error, Refused)
    assert error.code is FailureCode.FILTER_BLOCKED


def test_a_packed_reply_is_unpacked(vendor: responses.RequestsMock) -> None:
    packed = gzip.compress(json.dumps(ACCEPTED).encode())
    vendor.post(SUBMIT, body=packed, headers={"Content-Encoding": "gzip"})
    assert client().submit(spec(), IMAGE).vendor_job_id == "job-abc-123"


def test_a_bomb_in_place_of_the_reply_is_unclear(vendor: responses.RequestsMock) -> None:
    bomb = gzip.compress(b'{"id": "' + b"x" * 10_000_000 + b'"}')
    assert type(_refused(vendor, body=bomb, headers={"Content-Encoding": "gzip"})) is Unclear


def test_evidence_holds_no_key_no_picture_no_query_and_no_control_character(vendor: responses.RequestsMock) -> None:
    body = f"\x1b[31mkey {KEY} refused\r\n for https://pictures.test/me.jpg?sig=s3cret and {IMAGE}" + "x y " * 200
    error = _refused(vendor, status=422, body=body)
    texts = all_texts(error)
    assert IMAGE[:40] not in texts
    assert "s3cret" not in texts
    assert "https://pictures.test/me.jpg " in texts
    assert str(error.evidence["body"]).isprintable()
    assert len(str(error.evidence["body"])) <= 300


@pytest.mark.parametrize(
    ("key", "prefix"), [("", ""), ("", "Bearer "), ("a\nb", ""), ("ké", ""), ("k ", ""), ("k", " "), ("k", "a\n")]
)
def test_a_key_that_no_header_can_carry_is_refused_at_the_start_without_showing_it(key: str, prefix: str) -> None:
    with pytest.raises(SettingsError, match="SWAPLINE_API_KEY") as refusal:
        VendorClient(base_url="https://x.test", key_header="X-Key", key=SecretStr(key), key_prefix=prefix)
    assert not key or repr(key) not in str(refusal.value)


def test_cookies_do_not_travel_from_one_job_to_the_next(vendor: responses.RequestsMock) -> None:
    vendor.post(SUBMIT, json=ACCEPTED, headers={"Set-Cookie": "job=1; Path=/"})
    one = client()
    one.submit(spec(), IMAGE)
    one.submit(spec(), IMAGE)
    assert "Cookie" not in vendor.calls[1].request.headers


def test_the_environment_brings_no_proxy_and_no_password(
    vendor: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (netrc := tmp_path / "netrc").write_text("machine vendor.test login me password p")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    vendor.post(SUBMIT, json=ACCEPTED)
    client().submit(spec(), IMAGE)
    assert "Authorization" not in vendor.calls[0].request.headers
    assert not vendor.calls[0].request.req_kwargs["proxies"]  # type: ignore[attr-defined]  # responses adds it
