from __future__ import annotations

import json
from email.utils import parsedate_to_datetime

import pytest

from swapline_simulator.api import replies
from swapline_simulator.api.orders import Refusal
from swapline_simulator.enums import OverCap, Status

NOW = 1_700_000_000.2


def body(reply: replies.Reply) -> str:
    return b"".join(reply.pieces).decode()


def test_an_accepted_submission_is_answered_in_the_order_of_the_page() -> None:
    assert body(replies.accepted("job-1")) == '{"id":"job-1","status":"IN_QUEUE"}'


def test_a_failed_job_reports_it_and_why() -> None:
    reply = json.loads(body(replies.standing("job-1", Status.FAILED)))
    assert list(reply) == ["id", "status", "error"]


def test_a_refusal_carries_its_code_and_a_sentence() -> None:
    reply = replies.refused(Refusal(422, "FILTER_NOT_FOUND", "There is no filter 900."))
    assert (reply.status, json.loads(body(reply))) == (
        422,
        {"error": "FILTER_NOT_FOUND", "message": "There is no filter 900."},
    )


def test_a_429_may_say_nothing_of_when_to_come_again() -> None:
    reply = replies.canned("429", 2.5, NOW)
    assert reply is not None
    assert (reply.status, reply.headers) == (429, {})


def test_retry_after_in_seconds_is_a_whole_number_that_is_not_too_early() -> None:
    reply = replies.canned("429_seconds", 2.5, NOW)
    assert reply is not None
    assert reply.headers == {"Retry-After": "3"}


def test_retry_after_as_a_date_is_in_gmt_and_not_too_early() -> None:
    reply = replies.canned("429_date", 2.5, NOW)
    assert reply is not None
    assert reply.headers["Retry-After"].endswith(" GMT")
    assert parsedate_to_datetime(reply.headers["Retry-After"]).timestamp() == 1_700_000_003


@pytest.mark.parametrize("kind", ["504", "524", "not_json"])
def test_the_pages_of_proxies_are_html(kind: str) -> None:
    reply = replies.canned(kind, 0, NOW)
    assert reply is not None
    assert reply.media_type == "text/html"
    assert "<html" in body(reply)


@pytest.mark.parametrize(
    ("behaviour", "header"),
    [
        (OverCap.TOO_MANY, None),
        (OverCap.TOO_MANY_SECONDS, "2"),
        (OverCap.TOO_MANY_DATE, "Tue, 14 Nov 2023 22:13:23 GMT"),
    ],
)
def test_above_the_cap_retry_after_is_sent_as_configured(behaviour: OverCap, header: str | None) -> None:
    reply = replies.over_cap(Refusal(429, "TOO_MANY_REQUESTS", "Full."), behaviour, 2, NOW)
    assert reply.headers.get("Retry-After") == header
