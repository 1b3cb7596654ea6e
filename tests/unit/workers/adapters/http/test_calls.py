"""Calls without the detours of a session are the calls that the session would make."""

from __future__ import annotations

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.adapters.http import calls
from swapline_workers.adapters.http.calls import Call, CallHeaders, post
from swapline_workers.adapters.http.exchange import SentHeaders

PATIENT = (5.0, 5.0)


@given(st.from_regex(calls._STRAIGHT, fullmatch=True))
def test_a_straight_url_is_what_requests_would_make_of_it(url: str) -> None:
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    straight = calls._STRAIGHT.fullmatch(url)
    assert straight is not None
    assert prepared.url == url == straight[1] + straight[2]
    assert prepared.path_url == straight[2]


@pytest.mark.parametrize(
    "url",
    [
        "https://x.test",
        "https://x.test/",
        "https://x.test/a/../b",
        "https://x.test/.",
        "https://x.test/a?b",
        "https://x.test/a%20b",
        "https://x.test/a b",
        "https://X.test/a",
        "https://ü.test/a",
        "https://u@x.test/a",
        "https://x.test:080/a",
        "https://x.test:70000/a",
        "https://[::1]/a",
        "ftp://x.test/a",
        "https://x.test/a\n",
    ],
)
def test_any_other_url_is_prepared(url: str) -> None:
    assert calls._STRAIGHT.fullmatch(url) is None


def test_a_call_goes_out_as_the_session_would_send_it() -> None:
    session = requests.Session()
    session.headers = CallHeaders({"X-Key": "k", "Accept": "*/*"})  # type: ignore[assignment]  # none of them is bytes
    with responses.RequestsMock() as mock:
        for url in ("https://x.test/a", "https://x.test/a%20b?c=d"):
            mock.post(url)
            for data in (b"{}", None):
                post(session, url, data=data, headers={"X-More": "m"}, timeout=PATIENT)
                session.post(url, data=data, headers={"X-More": "m"})
                ours, theirs = mock.calls[-2].request, mock.calls[-1].request
                assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
                assert dict(ours.headers) == dict(theirs.headers)


def test_headers_that_are_changed_are_sent_as_they_are_now() -> None:
    headers = CallHeaders({"X-Key": "k"})
    assert headers.lines == b"X-Key: k\r\n"
    assert headers.with_length(0).lines == b"X-Key: k\r\nContent-Length: 0\r\n"
    headers["X-Key"] = "l"
    assert headers.lines == b"X-Key: l\r\n"
    assert headers.with_length(0).lines == b"X-Key: l\r\nContent-Length: 0\r\n"
    del headers["x-key"]
    assert headers.lines == b""
    assert headers.with_length(7).lines == b"Content-Length: 7\r\n"


def test_calls_without_a_body_share_their_headers() -> None:
    headers = CallHeaders({"X-Key": "k"})
    assert headers.with_length(0) is headers.with_length(0)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b", "\N{SNOWMAN}", "a\r\n b"])
def test_a_header_that_would_be_more_than_one_is_refused(value: str) -> None:
    with pytest.raises(requests.exceptions.InvalidHeader):
        _ = SentHeaders({"X": value}).lines


def test_a_call_knows_where_it_goes() -> None:
    seen: list[requests.PreparedRequest] = []
    with responses.RequestsMock() as mock:
        mock.post("https://x.test/v6/status/job-1")
        post(requests.Session(), "https://x.test/v6/status/job-1", timeout=PATIENT)
        seen.append(mock.calls[0].request)
    (call,) = seen
    assert isinstance(call, Call)
    assert (call.origin, call.target) == ("https://x.test", "/v6/status/job-1")
