from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.telemetry.redaction import LONGEST, redactor

SECRET = "the/api key=1"


@pytest.mark.parametrize(
    ("logged", "cleaned"),
    [
        ("GET https://me:pw@host/a.png", "GET https://[...]@host/a.png"),
        ("redis://:pa%40ss@host:6379/0 is away", "redis://[...]@host:6379/0 is away"),
        ("https://s3/x.jpg?X-Amz-Signature=abc&b=1 failed", "https://s3/x.jpg?[...] failed"),
        ('"POST /hook?token=abc HTTP/1.1" 204', '"POST /hook?[...] HTTP/1.1" 204'),
        (
            "Max retries exceeded with url: /x?sig=abc (Caused by X)",
            "Max retries exceeded with url: /x?[...] (Caused by X)",
        ),
        ("signed with whsec_QUJDREVGR0g=", "signed with [...]"),
        ("signed with whsk_QUJDREVGR0g=", "signed with [...]"),
        ("Is it so? a = b", "Is it so? a = b"),
        (f"header {SECRET} refused", "header [...] refused"),
        ("in a URL: the%2Fapi%20key%3D1", "in a URL: [...]"),
        (b"\x89PNG", "[4 bytes]"),
        ({"a": [f"x{SECRET}"], SECRET: 1}, {"a": ["x[...]"], "[...]": 1}),
        (7, 7),
        (None, None),
    ],
)
def test_what_must_not_stand_in_a_log_is_taken_out(logged: Any, cleaned: Any) -> None:
    assert redactor([SECRET])(logged) == cleaned


def test_a_picture_in_base64_is_recognised_by_its_length() -> None:
    text = base64.b64encode(bytes(range(256)) * 4).decode()
    assert redactor()(f"body {text} end") == f"body [{len(text)} characters] end"


def test_a_long_text_keeps_its_end() -> None:
    cleaned = redactor()("ab " * LONGEST + "the end")
    assert cleaned.endswith("the end")
    assert len(cleaned) < LONGEST + 40


@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_a_secret_is_found_wherever_it_stands(before: str, after: str) -> None:
    assert SECRET not in redactor([SECRET])(before + SECRET + after)


def test_an_object_is_cleaned_as_it_would_be_written() -> None:
    assert redactor([SECRET])(ValueError(f"bad {SECRET}")) == "bad [...]"
