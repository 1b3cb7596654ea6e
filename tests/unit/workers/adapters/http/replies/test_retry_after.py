"""Retry-After in both of its forms."""

from __future__ import annotations

import pytest

from swapline_workers.adapters.http.replies.retry_after import retry_after

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
    ],
)
def test_seconds_and_dates_are_seconds_from_now(header: str, seconds: float) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-1", "1.5", "9" * 10, "Sun, 99 Nov 1994 08:50:37 GMT", "٣", "\0"]
)
def test_anything_else_says_nothing(header: str | None) -> None:
    assert retry_after(header, NOW) is None
