"""Reading a reply: whatever it says of its own length, no more than the limit is taken in."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
import urllib3

from support.vendor.client import Dripping, dripping
from swapline_workers.adapters.http.replies.status_body import BLOCK, Body

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as one:
        yield one


def _body(mock: responses.RequestsMock, body: Any, limit: int = 1_000_000, **headers: str) -> Body:
    mock.get("https://x.test/", body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return Body(requests.get("https://x.test/", stream=True, timeout=1), limit)


def test_all_of_a_reply_within_the_limit_is_read(mock: responses.RequestsMock) -> None:
    body = _body(mock, b"x" * 999_999)
    assert bytes(body.rest()) == b"x" * 999_999
    assert body.ended
    assert not body.too_long


def test_a_reply_comes_as_it_comes(mock: responses.RequestsMock) -> None:
    body = _body(mock, dripping(b"one", b"two"))
    assert body.data == b""
    assert body.more()
    assert body.data == b"one"
    assert body.more()
    assert not body.more()
    assert not body.more()
    assert body.data == b"onetwo"


@pytest.mark.parametrize("length", ["5", "999999999999", "-1", "many"])
def test_what_a_reply_says_of_its_length_allocates_nothing(mock: responses.RequestsMock, length: str) -> None:
    body = _body(mock, dripping(b"x" * 5), Content_Length=length)
    body.more()
    assert body.data == b"xxxxx"


def test_a_reply_that_is_shorter_than_it_says_is_an_error(mock: responses.RequestsMock) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError):
        _body(mock, b"xxxxx", Content_Length="6").rest()


def test_a_reply_beyond_the_limit_is_given_up_at_once(mock: responses.RequestsMock) -> None:
    endless = Dripping(*[b"x" * 1000] * 100)
    body = _body(mock, io.BufferedReader(endless), limit=3500)
    assert len(body.rest()) == 4000
    assert body.too_long
    assert endless.given == 4


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "gzip, gzip", "GZIP"])
def test_a_bomb_is_inflated_a_block_at_a_time(mock: responses.RequestsMock, encoding: str) -> None:
    packed = zlib.compress(bytes(50_000_000)) if encoding == "deflate" else gzip.compress(bytes(50_000_000))
    packed = gzip.compress(packed) if "," in encoding else packed
    body = _body(mock, packed, Content_Encoding=encoding)
    assert 1_000_000 < len(body.rest()) <= 1_000_000 + BLOCK
    assert body.too_long


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_plain_bytes_are_plain_bytes(mock: responses.RequestsMock, encoding: str) -> None:
    assert bytes(_body(mock, b"plain", Content_Encoding=encoding).rest()) == b"plain"
