"""A large reply read in one go is what the library reads piece by piece: the same bytes, or the same error."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.adapters.http.exchange import receive_reply
from swapline_workers.adapters.http.replies import status_body as output
from swapline_workers.adapters.http.replies.status_body import BLOCK, Body

ODD = 100_003
"""Bytes that a read gives at most, as a signal would have it."""


class Wire:
    """A socket whose other side has said all that it will say. Blocks come in the sizes that are asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(self._data)

    def recv(self, amount: int) -> bytes:
        return self._data.read(amount)

    def recv_into(self, view: memoryview, _length: int = 0, _flags: int = 0) -> int:
        return self._data.readinto(view[:ODD])


class Line:
    """A connection, and the pool that it returns to."""

    def __init__(self, data: bytes) -> None:
        self.sock = Wire(data)

    def close(self) -> None:
        """Do nothing."""

    def _put_conn(self, _connection: object) -> None:
        """Do nothing."""


def reply(body: bytes, promised: int) -> requests.Response:
    """A reply as it comes out of a session."""
    answer = requests.Response()
    line: Any = Line(head_of(promised) + body)
    answer.raw = receive_reply(line, line)
    answer.headers.update(answer.raw.headers)
    return answer


def by_the_library(body: bytes, promised: int) -> requests.Response:
    """The same, read by http.client and urllib3."""
    source = http.client.HTTPResponse(Wire(head_of(promised) + body), method="POST")  # type: ignore[arg-type]  # all that it asks of a socket
    source.begin()
    answer = requests.Response()
    answer.raw = urllib3.HTTPResponse(
        body=source, headers=dict(source.headers), preload_content=False, original_response=source
    )
    answer.headers.update(source.headers)
    return answer


def head_of(promised: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n".encode()


def outcome(response: requests.Response, limit: int) -> tuple[Any, ...]:
    body = Body(response, limit)
    try:
        body.rest()
    except urllib3.exceptions.HTTPError as error:
        return type(error), body.arrived[: body.length]
    if body.too_long:
        return ("too long",)
    found = body.arrived
    body.release()
    return ("whole", found)


@given(
    length=st.integers(0, 4 * BLOCK),
    missing=st.integers(-3, BLOCK),
    limit=st.sampled_from([BLOCK, 2 * BLOCK, 10 * BLOCK]),
    older=st.integers(0, 5 * BLOCK),
)
def test_it_is_the_same_as_piece_by_piece(length: int, missing: int, limit: int, older: int) -> None:
    body = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    output._buffers.append(bytearray(b"!" * older))  # what an older reply has left
    promised = max(0, length + missing)
    assert outcome(reply(body, promised), limit) == outcome(by_the_library(body, promised), limit)


def test_a_buffer_is_used_again_and_never_by_two() -> None:
    output._buffers.clear()
    first = Body(reply(b"a" * 4 * BLOCK, 4 * BLOCK), 10 * BLOCK)
    second = Body(reply(b"b" * 4 * BLOCK, 4 * BLOCK), 10 * BLOCK)
    used = first.rest()
    assert second.rest() is not used
    assert first.arrived == b"a" * 4 * BLOCK
    first.release()
    third = Body(reply(b"c" * 3 * BLOCK, 3 * BLOCK), 10 * BLOCK)
    assert third.rest() is used
    assert third.arrived == b"c" * 3 * BLOCK


@pytest.mark.parametrize("released", [1, 2])
def test_releasing_twice_is_releasing_once(released: int) -> None:
    output._buffers.clear()
    body = Body(reply(b"a" * 4 * BLOCK, 4 * BLOCK), 10 * BLOCK)
    body.rest()
    for _ in range(released):
        body.release()
    assert len(output._buffers) == 1
