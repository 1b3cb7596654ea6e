from __future__ import annotations

from itertools import pairwise

import pytest

from support.jobs.fakes import AT, job, spec
from swapline_producer.contract import FailureCode, JobEvent, LinkedImage, Notification, State
from swapline_producer.foreign_text import without_query
from swapline_workers.board.facts.redaction import facts, shown
from swapline_workers.board.facts.story import THINNEST, WIDTH, story
from swapline_workers.board.labels import APPEARANCES


def events(*named: tuple[int, str]) -> list[JobEvent]:
    return [JobEvent(at=at, name=name) for at, name in named]


DONE = job(
    State.SUCCEEDED,
    webhook_url="https://shop.example/hooks?token=hidden",
    created_at=AT,
    submitted_at=AT + 2_000,
    terminal_at=AT + 9_000,
    finished_at=AT + 10_000,
    notification=Notification.DELIVERED,
)
LOG = events(
    (AT, "queued"),
    (AT + 1_999, "slot"),
    (AT + 2_000, "submitted"),
    (AT + 9_000, "completed"),
    (AT + 10_000, "succeeded"),
    (AT + 10_500, "webhook delivered"),
)


def test_the_stages_follow_each_other_without_a_gap_and_fill_the_bar() -> None:
    stages = story(DONE, LOG, AT + 60_000).stages
    assert [(stage.name, stage.begins - AT, (stage.ends or 0) - AT) for stage in stages] == [
        ("Queued", 0, 1_999),
        ("Submitting", 1_999, 2_000),
        ("Running", 2_000, 9_000),
        ("Storing", 9_000, 10_000),
        ("Delivering", 10_000, 10_500),
    ]
    assert round(sum(stage.width for stage in stages)) == WIDTH
    assert min(stage.width for stage in stages) > THINNEST * 0.9  # a millisecond can be seen
    assert all(abs(a.x + a.width - b.x) < 0.2 for a, b in pairwise(stages))


def test_the_stage_that_lasts_has_no_end() -> None:
    running = job(State.RUNNING, created_at=AT, submitted_at=AT + 5, finished_at=None)
    page = story(running, events((AT, "queued"), (AT + 4, "slot")), AT + 100)
    assert [(stage.name, stage.ends) for stage in page.stages][-1] == ("Running", None)
    assert not page.at_rest


def test_every_attempt_to_tell_is_listed() -> None:
    log = [
        JobEvent(
            at=AT, name="webhook failed", data={"attempt": 1, "status": 500, "error": "answered 500", "seconds": 2.5}
        ),
        JobEvent(at=AT + 9, name="webhook delivered", data={"attempt": 2, "status": 204, "seconds": 0.03}),
    ]
    deliveries = story(DONE, log, AT).deliveries
    assert [(one.attempt, one.accepted, one.reason) for one in deliveries] == [
        ("1", False, "answered 500 in 2.5 s"),
        ("2", True, "answered 204 in 0.03 s"),
    ]


def test_a_held_job_shows_what_is_known_of_its_call() -> None:
    held = job(State.HELD, failure_code=FailureCode.SUBMIT_UNKNOWN, failure_detail="answered 504", attempts=1)
    log = [
        JobEvent(at=AT, name="attempt"),
        JobEvent(at=AT + 9, name="held", data={"reason": "answered 504", "status": 504}),
    ]
    known = story(held, log, AT).held
    assert known is not None
    assert (known["reason"], known["reply"]) == ("answered 504", [("status", "504")])
    assert ("filter id", "12") in known["sent"]


def test_no_query_of_any_url_is_shown() -> None:
    linked = job(
        State.FAILED,
        failure_detail="cannot fetch https://store.example/a.jpg?X-Signature=hidden now",
        spec=spec(
            image=LinkedImage(url="https://store.example:8443/a.jpg?X-Signature=hidden#hidden"),
            webhook_url="https://shop.example/hooks?token=hidden",
        ),
    )
    log = [JobEvent(at=AT, name="failed", data={"detail": "GET https://store.example/a.jpg?sig=hidden failed"})]
    page = story(linked, log, AT)
    assert "hidden" not in repr((page.input_url, page.webhook_url, page.detail, page.log_lines))
    assert page.input_url == "https://store.example:8443/a.jpg?…"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://a.example/b", "https://a.example/b"),
        ("https://user:secret@a.example:1/b?c=d", "https://a.example:1/b?…"),
        ("https://[::1]:8/b#c", "https://[::1]:8/b"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, plain: str) -> None:
    assert without_query(url) == plain


def test_a_long_run_of_base64_is_not_shown_and_a_digest_is() -> None:
    assert shown("A" * 5000) == "[4096 characters]"
    assert shown("a" * 64) == "a" * 64
    assert facts({"vendor_job_id": "x"}) == [("vendor job id", "x")]


def test_every_state_has_a_word_of_its_own_and_those_of_one_tone_differ_in_shape_or_word() -> None:
    assert set(APPEARANCES) == set(State)
    assert len({one.word for one in APPEARANCES.values()}) == len(State)
    assert len({(one.word, one.shape) for one in APPEARANCES.values()}) == len(State)
