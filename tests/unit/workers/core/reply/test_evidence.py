"""What is kept of a reply: short, readable, without secrets or pictures."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.contract import VENDOR_CODES, FailureCode
from swapline_workers.core.reply.evidence import EXCERPT_LIMIT, error_text, excerpt, find_code, words

KEY = "s3cret/key-0123456789"
LONG = base64.b64encode(bytes(range(256)) * 4).decode()


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", ""),
        (b"plain words", "plain words"),
        (b" a\r\n\tb\x00\x1b[0m \xff ", "a b [0m \ufffd"),
        ("a\u2028b\u202ec\ud800d", "a b c d"),
        (f"id {'a' * 36} ok", f"id {'a' * 36} ok"),
        (f'"{LONG}"', f'"[{len(LONG)} characters]"'),
        (LONG.replace("/", "\\/"), f"[{len(LONG.replace('/', chr(92) + '/'))} characters]"),
        (f"data:image/png;base64,{LONG}!", f"data:image/png;base64,[{len(LONG)} characters]!"),
        ('see "https://a.test/b?c=d&e#f" now', 'see "https://a.test/b" now'),
        ("http:\\/\\/a.test\\/b?sig=1 x", "http:\\/\\/a.test\\/b x"),
        ("https://a.test/#token=1", "https://a.test/"),
        ("why? because", "why? because"),
        (f"the key {KEY}!", "the key [key]!"),
        (f"the key {KEY}!".replace("/", "\\/"), "the key [key]!"),
        ("x" * 40 + " " + "y " * 500, ("x" * 40 + " " + "y " * 500)[:EXCERPT_LIMIT].strip()),
    ],
)
def test_an_excerpt_is_clean(body: bytes | str, kept: str) -> None:
    assert excerpt(body, KEY) == kept


@given(before=st.text(max_size=50), pad=st.integers(0, 5000), after=st.text(max_size=400))
def test_the_key_is_never_in_an_excerpt_not_even_its_half(before: str, pad: int, after: str) -> None:
    kept = excerpt(before + KEY + "A" * pad + " " + KEY + after, KEY)
    assert KEY[:8] not in kept.replace(before, "").replace(after, "")
    assert len(kept) <= EXCERPT_LIMIT
    assert kept.isprintable()


@given(st.binary(max_size=6000))
def test_any_bytes_give_printable_text(body: bytes) -> None:
    kept = excerpt(body)
    assert kept.isprintable()
    kept.encode()


@pytest.mark.parametrize("code", sorted(VENDOR_CODES))
def test_a_code_is_found_in_json_and_in_text(code: FailureCode) -> None:
    assert find_code(f'{{"a": [{{"b": "{code}"}}]}}'.encode()) is code
    assert find_code(f"Error: {code}.".encode()) is code
    assert find_code(f"<b>{code}</b>".encode()) is code


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"filter_blocked", b"NO_FILTER_BLOCKED", b"FILTER_BLOCKED_2", b'{"FILTER": "BLOCKED"}', b"\xff"],
)
def test_no_code_is_found_where_there_is_none(body: bytes) -> None:
    assert find_code(body) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("text", "text"),
        ("", None),
        (None, None),
        (5, None),
        ({}, None),
        ({"message": "m", "error": "e"}, "e"),
        ({"error": {"code": 5, "message": "m"}}, "m"),
        ({"error": None, "detail": [{"loc": ["body"], "msg": "m"}]}, "m"),
        ({"output": {"error": "e"}}, "e"),
        ({"other": "x"}, None),
        ([[[[[["deep"]]]]]], None),
    ],
)
def test_the_words_of_an_error_are_found_where_apis_put_them(data: object, expected: str | None) -> None:
    assert words(data) == expected


def test_what_has_no_words_is_shown_by_its_beginning() -> None:
    assert error_text(b'{"a": 1}') == '{"a": 1}'
    assert error_text(b'{"error": "no"}') == "no"
    assert error_text(b"<h1>504</h1>") == "<h1>504</h1>"
