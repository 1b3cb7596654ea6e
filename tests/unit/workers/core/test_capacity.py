"""What a vendor above its cap says, and what only sounds like it."""

from __future__ import annotations

import pytest

from swapline_workers.core.capacity import says_full


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "TOO_MANY_JOBS", "message": "The cap is 3."}}',
        b'{"detail": "Too many concurrent jobs"}',
        b'{"detail": "You have reached the maximum of 3 simultaneous generations."}',
        b'{"error": "CONCURRENCY_LIMIT_EXCEEDED"}',
        b'{"error": "ConcurrencyLimitReached"}',
        b'{"error": "max-in-flight reached"}',
        b'{"message": "Limit of 3 running jobs; wait for one to end"}',
        b'{"message": "Job limit reached"}',
        b'{"message": "Rate limit: slow down"}',
        b"<html><body>We are at capacity, try again later</body></html>",
        b'{"message": "This plan allows 3 jobs at a time."}',
        b'{"message": "No free slots"}',
        b'{"error": "TooManyRequests"}',
    ],
)
def test_a_refusal_that_says_that_all_places_are_taken_is_known(body: bytes) -> None:
    assert says_full(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"error": "INVALID_IMAGE"}',
        b'{"detail": "Image too large: at most 10 MB are allowed"}',
        b'{"detail": "Too many faces in the image: the limit is 8"}',
        b'{"detail": "The file size exceeds the limit"}',
        b'{"detail": "quality_mode must be v6 or v6.1"}',
        b'{"detail": "Only one face at a time is supported"}',
        b'{"detail": "Your plan has no such filter; its limit is reached"}',
        b'{"detail": "the maximum resolution is reached by 8000 x 8000 pixels"}',
    ],
)
def test_what_is_wrong_with_the_job_itself_is_not_taken_for_a_full_vendor(body: bytes) -> None:
    assert not says_full(body)


def test_a_long_hostile_body_is_read_only_at_its_beginning() -> None:
    assert not says_full(b"limit " * 50_000)
    assert not says_full(b" " * 5000 + b"too many jobs")


@pytest.mark.parametrize("word", [b"limit max full ", b"concurrent running "])
def test_no_body_makes_the_search_blow_up(word: bytes) -> None:
    assert not says_full(word * 300)  # an exponential search would not end
