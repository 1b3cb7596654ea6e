"""Small parts of the gateway that decide something."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from swapline_gateway.routes.events import Log, event_ids
from swapline_gateway.routes.images import span
from swapline_gateway.schema.requests import Cursor, Tag, idempotency_key, job_filter, seconds_to_wait
from swapline_producer.contract import JobEvent, State
from swapline_producer.errors import RequestError


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=5", 5),
        ("respond-async;wait = 7", 7),
        ("wait=100", 60),
        ("wait=-1", 0),
        ("await=5", 0),
        ("", 0),
        ("wait=5s", 0),
    ],
)
def test_prefer_says_how_long_to_wait(prefer: str, seconds: float) -> None:
    assert seconds_to_wait(Headers({"Prefer": prefer})) == seconds


@pytest.mark.parametrize(
    ("text", "key"), [("a b", "a b"), ('"a b"', "a b"), (r'"a\"b"', 'a"b'), ('"a', '"a'), ("", None)]
)
def test_an_idempotency_key_may_be_quoted(text: str, key: str | None) -> None:
    assert idempotency_key(Headers({"Idempotency-Key": text})) == key


def test_a_cursor_is_read_back_and_no_other_text_is() -> None:
    cursor = Cursor(job_filter("acme", [State.FAILED], None))
    text = cursor.write("0193")
    assert cursor.read(text) == "0193"
    assert cursor.read(None) is cursor.write(None) is None
    for other in ("", "W10", "eA", "\x00", "é", text[:-1] if text else ""):
        with pytest.raises(RequestError, match="begin without one"):
            cursor.read(other)
    with pytest.raises(RequestError):
        Cursor(job_filter("acme", [], None)).read(text)


def test_a_tag_is_a_name_or_a_name_and_its_value() -> None:
    assert Tag("order:47:11").fits({"order": "47:11"})
    assert not Tag("order:4711").fits({"order": "4712"})
    assert Tag("order").fits({"order": ""})
    assert not Tag("order:").fits({"order": "4711"})


def test_event_ids_stay_when_the_oldest_lines_go() -> None:
    log = [JobEvent(at=at, name=str(n)) for n, at in enumerate([5, 5, 7, 6])]
    assert event_ids(log) == ["5-0", "5-1", "7-0", "6-0"]
    assert [event.name for _, event in Log("5-1").new(log)] == ["2", "3"]
    assert [event.name for _, event in Log("7-0").new(log[2:])] == ["3"]
    assert len(Log("1-0").new(log)) == len(Log(None).new(log)) == 4


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("0", "9", (0, 9)),
        ("5", "", (5, 99)),
        ("", "7", (93, 99)),
        ("", "200", (0, 99)),
        ("90", "200", (90, 99)),
        ("", "0", (100, -1)),
    ],
)
def test_a_range_of_bytes(first: str, last: str, found: tuple[int, int]) -> None:
    assert span(first, last, 100) == found
