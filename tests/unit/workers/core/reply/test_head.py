"""The head of a reply read by one pattern is the head that the standard library reads, or none at all."""

from __future__ import annotations

import http.client
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict

from swapline_workers.core.reply.head import HEAD_LIMIT, Head, can_be_sent, plain_head


class Wire:
    """A socket whose other side has said all that it will say."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))


def by_the_library(data: bytes) -> Head:
    """What http.client, urllib3 and requests make of a reply together."""
    reply = http.client.HTTPResponse(Wire(data), method="POST")  # type: ignore[arg-type]  # all that it asks of a socket
    reply.begin()
    headers = CaseInsensitiveDict(HTTPHeaderDict(reply.msg.items()))
    size = data.index(b"\r\n\r\n") + 4
    assert reply.length is not None
    return Head(reply.status, reply.reason, dict(headers.lower_items()), reply.length, not reply.will_close, size)


NAMES = st.sampled_from(
    ["Content-Length", "content-length", "Connection", "Server", "Set-Cookie", "X-Odd!name", "Date"]
)
VALUES = st.one_of(
    st.sampled_from(["0", "5", "005", " 7 ", "close", "Keep-Alive, CLOSE", "keep-alive", "a=b; Path=/", "", "\tx \t"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20),
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
STATUS = st.sampled_from(["200 OK", "200", "204 No Content", "304 Not Modified", "299  odd  one ", "404 Not: Found"])


def head_of(status: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}:{value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode()


@given(STATUS, FIELDS, st.binary(max_size=20))
@example("200 OK", [("Content-Length", "5"), ("Set-Cookie", "a=b"), ("set-cookie", " c=d")], b"hello")
def test_what_it_gives_is_what_the_library_gives(status: str, fields: list[tuple[str, str]], body: bytes) -> None:
    data = head_of(status, fields) + body
    head = plain_head(data)
    if head is not None:
        assert head == by_the_library(data)


@given(st.binary(max_size=200), st.integers(0, 80), st.integers(0, 20))
def test_bytes_that_were_changed_are_read_as_the_library_reads_them_or_not(noise: bytes, at: int, cut: int) -> None:
    usual = head_of("200 OK", [("Content-Length", "5"), ("Server", "nginx"), ("Connection", "close")])
    data = usual[:at] + noise + usual[at + cut :]
    head = plain_head(data)
    if head is not None:
        assert head == by_the_library(data)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("200 OK", [("Content-Type", " application/json; charset=utf-8"), ("Content-Length", " 37"), ("Server", " x")]),
        ("201 Created", [("content-length", "0"), ("Set-Cookie", " a=b"), ("Set-Cookie", " c=d")]),
        ("204 No Content", [("Date", " Tue, 14 Nov 2023 22:13:20 GMT")]),
        ("429 Too Many Requests", [("Content-Length", "2"), ("Retry-After", "7"), ("Connection", "Close")]),
    ],
)
def test_what_servers_usually_say_is_plain(status: str, fields: list[tuple[str, str]]) -> None:
    data = head_of(status, fields)
    assert plain_head(data + b"{}") == by_the_library(data + b"{}")


UNUSUAL = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    "another version": head_of("200 OK", [("Content-Length", "5")]).replace(b"1.1", b"1.0"),
    "interim": head_of("100 Continue", []),
    "chunks": head_of("200 OK", [("Transfer-Encoding", "chunked")]),
    "chunks and a length": head_of("200 OK", [("Transfer-Encoding", "chunked"), ("Content-Length", "5")]),
    "packed": head_of("200 OK", [("Content-Encoding", "gzip"), ("Content-Length", "5")]),
    "no length": head_of("200 OK", []),
    "two lengths": head_of("200 OK", [("Content-Length", "5"), ("Content-Length", "6")]),
    "the same length twice": head_of("200 OK", [("Content-Length", "5"), ("Content-Length", "5")]),
    "a length below zero": head_of("200 OK", [("Content-Length", "-5")]),
    "a length with a sign": head_of("200 OK", [("Content-Length", "+5")]),
    "a length in other digits": head_of("200 OK", [("Content-Length", "\N{ARABIC-INDIC DIGIT FIVE}")]),
    "a length of 5000 digits": head_of("200 OK", [("Content-Length", "9" * 5000)]),
    "a folded line": head_of("200 OK", [("X", "a\r\n b"), ("Content-Length", "5")]),
    "a line feed alone": head_of("200 OK", [("X", "a\nContent-Length: 5")]),
    "a carriage return alone": head_of("200 OK", [("X", "a\rb"), ("Content-Length", "5")]),
    "a blank before the colon": head_of("200 OK", [("Content-Length ", "5")]),
    "no colon": head_of("200 OK", [("Content-Length", "5")]).replace(b"Content", b"hello\r\nContent"),
    "other letters": head_of("200 OK", [("X", "ü"), ("Content-Length", "5")]),
    "too many lines": head_of("200 OK", [("X", "y")] * 99 + [("Content-Length", "5")]),
    "too long": head_of("200 OK", [("X", "y" * HEAD_LIMIT), ("Content-Length", "5")]),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_unusual_is_left_to_the_library(name: str) -> None:
    assert plain_head(UNUSUAL[name]) is None


@pytest.mark.parametrize(
    "lines", [b"", b"Host: x\r\n", b"X-Key: Bearer k\r\nAccept: */*\r\n", b"X: \xfc\r\n", b"X: \r\n"]
)
def test_headers_can_be_sent(lines: bytes) -> None:
    assert can_be_sent(lines, lines.count(b"\n"))


@pytest.mark.parametrize(
    "lines", [b"X: a\r\n\r\n", b"X: a\nY: b\r\n", b"X: a\r\n b\r\n", b"X y: a\r\n", b": a\r\n", b"X: \0\r\n", b"X: a"]
)
def test_what_is_more_than_headers_cannot_be_sent(lines: bytes) -> None:
    assert not can_be_sent(lines, lines.count(b"\n"))


def test_a_line_too_many_cannot_be_sent() -> None:
    assert not can_be_sent(b"X: a\r\nY: b\r\n", 1)
