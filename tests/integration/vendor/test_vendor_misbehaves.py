"""Every way in which the simulated vendor can answer, and where a job comes to rest under it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.jobs.factories import PHOTOGRAPH
from support.redis.fixtures import waited_for
from swapline_producer import FailureCode, Producer, State, SwapRequest
from swapline_simulator import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.programs.installation import Installation
    from swapline_producer import Job

NO_NEWS = {mode for mode in Mode if mode.startswith("status_")} - {Mode.STATUS_OK, Mode.STATUS_404_AFTER_TTL}
"""Status calls that go wrong twice, and then right: the job does not notice."""

HELD_BY = {mode for mode in Mode if mode.startswith("submit_") and mode.endswith("_accepted")} | {
    Mode.SUBMIT_500,
    Mode.SUBMIT_CLOSED,
}
HELD_BY -= {Mode.SUBMIT_SLOW_ACCEPTED, Mode.SUBMIT_INTERIM_ACCEPTED}
HELD_BY -= {Mode.SUBMIT_OTHER_ID_ACCEPTED, Mode.SUBMIT_LONG_ID_ACCEPTED}
"""Submissions whose outcome cannot be known."""

HELD_FOR_THEIR_ID = {
    Mode.SUBMIT_OTHER_ID_ACCEPTED: FailureCode.VENDOR_ID_IN_USE,
    Mode.SUBMIT_LONG_ID_ACCEPTED: FailureCode.VENDOR_ID_INVALID,
}
"""Submissions that were accepted under an id that cannot be polled."""

PAUSED_BY = {
    Mode.SUBMIT_401,
    Mode.SUBMIT_402,
    Mode.SUBMIT_403,
    Mode.SUBMIT_404,
    Mode.SUBMIT_429,
    Mode.SUBMIT_429_SECONDS,
    Mode.SUBMIT_429_DATE,
}
"""Submissions that provably did not run."""

GOOD_RESULTS = {
    Mode.SUBMIT_SLOW_ACCEPTED,
    Mode.SUBMIT_INTERIM_ACCEPTED,
    Mode.RESULT_TWO,
    Mode.RESULT_STRING,
    Mode.RESULT_DATA_URI,
    Mode.RESULT_CHARSET,
    Mode.RESULT_URL_SAFE,
    Mode.RESULT_OBJECT,
    Mode.RESULT_WHITE_SPACE,
    Mode.RESULT_JPEG,
    Mode.RESULT_WEBP,
    Mode.RESULT_OTHER_ORDER,
    Mode.RESULT_OTHER_SIZE,
}

BAD_RESULTS = {
    Mode.STATUS_404_AFTER_TTL: FailureCode.LOST,
    Mode.RESULT_MISSING: FailureCode.OUTPUT_MISSING,
    Mode.RESULT_EMPTY: FailureCode.OUTPUT_MISSING,
    Mode.RESULT_MANY: FailureCode.OUTPUT_TOO_MANY,
    Mode.RESULT_NOT_BASE64: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_CUT_PNG: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_CORRUPT_PNG: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_HTML: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_GZIP_BOMB: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_HUGE: FailureCode.OUTPUT_INVALID,
    Mode.RESULT_FAILED: FailureCode.VENDOR_FAILED,
    Mode.RESULT_CANCELLED: FailureCode.VENDOR_FAILED,
    Mode.RESULT_TIMED_OUT: FailureCode.VENDOR_FAILED,
}

AMOUNTS = {
    Mode.SUBMIT_SLOW_ACCEPTED: 1,
    Mode.SUBMIT_429_SECONDS: 1,
    Mode.SUBMIT_429_DATE: 1,
    Mode.STATUS_HELD_PENDING: 1,
    Mode.STATUS_HELD_CUT: 1,
    Mode.STATUS_DRIP: 1,
    Mode.STATUS_429_SECONDS: 1,
    Mode.STATUS_429_DATE: 1,
    Mode.STATUS_404_AFTER_TTL: 0,
    Mode.RESULT_GZIP_BOMB: 128,
    Mode.RESULT_HUGE: 70,
}
"""Shorter than the simulator's own, where a test would only wait."""


@pytest.fixture
def patient(installation: Installation) -> Installation:
    """An installation that gives up a job that is unknown to the vendor at once, and has slots for all."""
    installation.more |= {"SWAPLINE_LOST_AFTER": "0", "SWAPLINE_MAX_IN_FLIGHT": "100"}
    installation.vendor.control.change(cap=100, service_time="fixed:0.2")
    return installation


def enqueued_under(installation: Installation, producer: Producer, modes: Iterable[Mode]) -> dict[Mode, str]:
    """One job for each mode; the next is enqueued when the vendor has seen the one before it."""
    jobs = {}
    before = installation.vendor.control.report(jobs=False).submissions
    for number, mode in enumerate(sorted(modes), before + 1):
        times = 2 if mode in NO_NEWS and mode is not Mode.STATUS_404_THEN_FOUND else None
        how = {"amount": AMOUNTS.get(mode), "times": times, "next_submissions": 1}
        installation.vendor.control.set_mode(mode, **how)
        jobs[mode] = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
        waited_for(partial(seen, installation, number))
    return jobs


def seen(installation: Installation, submissions: int) -> bool:
    return installation.vendor.control.report(jobs=False).submissions >= submissions


def ends(producer: Producer, jobs: dict[Mode, str]) -> dict[Mode, Job]:
    return {mode: producer.wait(job_id, timeout=90) for mode, job_id in jobs.items()}


def test_every_mode_has_its_expectation() -> None:
    expected = [*NO_NEWS, *HELD_BY, *HELD_FOR_THEIR_ID, *PAUSED_BY, *GOOD_RESULTS, *BAD_RESULTS]
    assert Counter(expected) == Counter(mode for mode in Mode if not mode.endswith("_ok"))


def test_status_calls_that_go_wrong_are_no_news(patient: Installation) -> None:
    producer = patient.producer()
    with patient.worker() as worker:
        # A refused key or an empty account stops submitting for everybody: those come last.
        without_trips = {mode for mode in NO_NEWS if not mode.endswith(("401", "402", "403"))}
        jobs = enqueued_under(patient, producer, without_trips) | enqueued_under_after(
            patient, producer, NO_NEWS - without_trips
        )
        ended = ends(producer, jobs)
    assert {mode: job.state for mode, job in ended.items()} == dict.fromkeys(NO_NEWS, State.SUCCEEDED)
    assert patient.vendor.control.report().credits_spent == 2 * len(NO_NEWS)
    assert "Traceback" not in worker.log()


def enqueued_under_after(installation: Installation, producer: Producer, modes: Iterable[Mode]) -> dict[Mode, str]:
    """One job for each mode, each brought to its end before the next, because the line stops in between."""
    jobs = {}
    for mode in sorted(modes):
        installation.vendor.control.set_mode(mode, times=1, next_submissions=1)
        jobs[mode] = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
        producer.wait(jobs[mode], timeout=60)
    return jobs


def test_a_submission_whose_outcome_is_unknown_is_held_and_never_sent_again(patient: Installation) -> None:
    producer = patient.producer()
    with patient.worker() as worker:
        jobs = enqueued_under(patient, producer, HELD_BY)
        waited_for(lambda: producer.ledger.stats.census()[State.HELD] == len(HELD_BY))
        held = {mode: producer.get(job_id) for mode, job_id in jobs.items()}
    assert {job.failure_code for job in held.values()} == {FailureCode.SUBMIT_UNKNOWN}
    assert {job.attempts for job in held.values()} == {1}
    report = patient.vendor.control.report()
    assert (report.submissions, len(report.jobs)) == (len(HELD_BY), len([mode for mode in HELD_BY if mode.accepts]))
    for job in held.values():
        [evidence] = [event.data for event in producer.events(job.job_id) if event.name == "held"]
        assert evidence["reason"]
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("policy", ["hold", "retry", "fail"])
def test_an_accepted_submission_whose_id_cannot_be_polled_is_held_whatever_the_policy(
    patient: Installation, policy: str
) -> None:
    patient.more["SWAPLINE_ON_AMBIGUOUS_SUBMIT"] = policy
    producer = patient.producer()
    with patient.worker() as worker:
        ends(producer, enqueued_under(patient, producer, [Mode.RESULT_TWO]))
        jobs: dict[Mode, str] = {}
        for mode in HELD_FOR_THEIR_ID:  # in this order: the job before the first one has its id
            jobs |= enqueued_under(patient, producer, [mode])
        waited_for(lambda: producer.ledger.stats.census()[State.HELD] == len(jobs))
        held = {mode: producer.get(job_id) for mode, job_id in jobs.items()}
    assert {mode: job.failure_code for mode, job in held.items()} == HELD_FOR_THEIR_ID
    assert {(job.attempts, job.vendor_job_id) for job in held.values()} == {(1, None)}
    assert patient.vendor.control.report().submissions == 1 + len(jobs)
    assert "Traceback" not in worker.log()


def test_a_submission_that_did_not_run_waits_and_is_paid_once(patient: Installation) -> None:
    producer = patient.producer()
    with patient.worker() as worker:
        for mode in sorted(PAUSED_BY):
            patient.vendor.control.set_mode(mode, amount=AMOUNTS.get(mode), next_submissions=1)
            job = producer.wait(
                producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id,
                timeout=60,
            )
            assert (mode, job.state, job.attempts, job.credits) == (mode, State.SUCCEEDED, 2, 2)
    assert patient.vendor.control.report().credits_spent == 2 * len(PAUSED_BY)
    assert "Traceback" not in worker.log()


def test_a_result_in_any_spelling_is_stored(patient: Installation) -> None:
    producer = patient.producer()
    with patient.worker():
        ended = ends(producer, enqueued_under(patient, producer, GOOD_RESULTS))
    assert {mode: job.state for mode, job in ended.items()} == dict.fromkeys(GOOD_RESULTS, State.SUCCEEDED)
    assert {mode: len(job.images) for mode, job in ended.items() if len(job.images) != 1} == {Mode.RESULT_TWO: 2}
    [last] = [event for event in producer.events(ended[Mode.RESULT_OTHER_SIZE].job_id) if event.name == "succeeded"]
    assert "1200x1800 was expected" in str(last.data["warnings"])
    suffixes = {mode: Path(job.images[0].key).suffix for mode, job in ended.items()}
    assert {mode: suffix for mode, suffix in suffixes.items() if suffix != ".png"} == {
        Mode.RESULT_JPEG: ".jpg",
        Mode.RESULT_WEBP: ".webp",
    }


def test_a_result_that_is_no_picture_fails_with_its_code_and_nothing_is_stored(patient: Installation) -> None:
    producer = patient.producer()
    with patient.worker() as worker:
        ended = ends(producer, enqueued_under(patient, producer, BAD_RESULTS))
    assert {mode: job.failure_code for mode, job in ended.items()} == BAD_RESULTS
    assert list(patient.store.glob("results/**/*.png")) == []
    assert patient.vendor.control.report().submissions == len(BAD_RESULTS)
    assert "Traceback" not in worker.log()
