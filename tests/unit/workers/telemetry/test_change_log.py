"""What is logged of a job's changes: level, cause, and what to do. The changes are those that real steps write."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.fakes import AT, FakePictures, FakeStatusReply, FakeVendor, FakeWebhooks, World, job
from swapline_producer.contract import FailureCode, Notification, State
from swapline_producer.contract.jobs.failures import FAILURES
from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_workers import errors
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps.notify import notify
from swapline_workers.steps.poll import poll
from swapline_workers.steps.submit import submit
from swapline_workers.telemetry.change_log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Callable

SUBMITTING = job(State.SUBMITTING)
RUNNING = job(State.RUNNING)
HOOK = "https://shop.example/hook"


def logged(caplog: pytest.LogCaptureFixture, world: World, change_log: ChangeLog | None = None) -> Any:
    """The one line that is logged of the last change that a step has written."""
    caplog.clear()
    (change_log or ChangeLog()).written(SUBMITTING.model_copy(update={"vendor_status": "IN_QUEUE"}), world.session.last)
    [line] = caplog.records
    return line


@pytest.mark.parametrize(
    ("error", "level", "status", "words"),
    [
        (errors.Unauthorized("the vendor answered 401: bad key", evidence={"status": 401, "body": "bad key"}),
         logging.ERROR, 401, ["refuses the key: check SWAPLINE_API_KEY", "(bad key)"]),
        (errors.OutOfCredits("the vendor answered 402: nothing", evidence={"status": 402, "body": ""}),
         logging.ERROR, 402, ["out of credits: buy some"]),
        (errors.NotFound("the vendor answered 404: nothing", evidence={"status": 404}),
         logging.ERROR, 404, ["check SWAPLINE_API_BASE_URL"]),
        (errors.Throttled("the vendor answered 429: slow", evidence={"status": 429, "body": "slow"}),
         logging.WARNING, 429, ["over its cap (slow)", "tried again by itself"]),
        (errors.NotSent("the vendor could not be reached: refused", evidence={"error": "ConnectionRefusedError"}),
         logging.WARNING, None, ["could not be reached (ConnectionRefusedError)"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_a_refused_submission_reports_why_and_who_must_act(
    caplog: pytest.LogCaptureFixture, error: errors.VendorError, level: int, status: int | None, words: list[str]
) -> None:
    world = World(vendor=FakeVendor(submission=error))
    submit(SUBMITTING, AT, world.ports)
    line = logged(caplog, world)
    assert (line.levelno, line.event_name, getattr(line, "http_status", None)) == (level, "submission_refused", status)
    assert [word for word in ["the job keeps its place uncharged", *words] if word not in line.message] == []


def refused() -> World:
    code = FailureCode.FILTER_BLOCKED
    error = errors.Refused("the vendor answered 400: FILTER_BLOCKED", code=code, evidence={"status": 400, "body": "no"})
    world = World(vendor=FakeVendor(submission=error))
    submit(SUBMITTING, AT, world.ports)
    return world


def unknown(policy: AmbiguousSubmit) -> World:
    error = errors.Unclear("the vendor answered 502: nothing", evidence={"status": 502})
    world = World(vendor=FakeVendor(submission=error), on_ambiguous=policy)
    submit(SUBMITTING, AT, world.ports)
    return world


def polled(seen: FakeStatusReply | Exception, **values: Any) -> World:
    world = World(vendor=FakeVendor(seen=seen))
    poll(job(State.RUNNING, **values), AT, world.ports)
    return world


def unreadable(error: Exception) -> World:
    world = World(pictures=FakePictures(broken=error))
    submit(SUBMITTING, AT, world.ports)
    return world


def expired() -> World:
    world = World()
    submit(job(queue_until=AT), AT, world.ports)
    return world


def given_up() -> World:
    world = World(webhooks=FakeWebhooks(errors.WebhookFailed("the receiver answered 410", status=410, gone=True)))
    notify(job(State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING), AT, world.ports)
    return world


NOT_FOUND = errors.NotFound("the vendor answered 404: nothing", evidence={"status": 404})
JOB = SUBMITTING.job_id


@pytest.mark.parametrize(
    ("happens", "level", "fields", "words"),
    [
        (refused, logging.WARNING,
         {"event_name": "job_failed", "failure_code": "FILTER_BLOCKED", "http_status": 400},
         ["job failed: FILTER_BLOCKED, the vendor answered 400", "charged: no", "choose another filter"]),
        (lambda: unknown(AmbiguousSubmit.HOLD), logging.ERROR,
         {"event_name": "job_held", "failure_code": "SUBMIT_UNKNOWN", "http_status": 502},
         ["job held: SUBMIT_UNKNOWN, the vendor answered 502", "charged: perhaps", f"`swapline jobs resolve {JOB}`"]),
        (lambda: unknown(AmbiguousSubmit.FAIL), logging.ERROR,
         {"event_name": "job_failed", "failure_code": "SUBMIT_UNKNOWN"}, ["the vendor answered 502"]),
        (lambda: unknown(AmbiguousSubmit.RETRY), logging.WARNING,
         {"event_name": "submission_unknown", "http_status": 502}, ["SWAPLINE_ON_AMBIGUOUS_SUBMIT"]),
        (lambda: polled(FakeStatusReply("FAILED", failure="gpu on fire")), logging.WARNING,
         {"event_name": "job_failed", "failure_code": "VENDOR_FAILED", "vendor_status": "FAILED"}, ["gpu on fire"]),
        (lambda: polled(NOT_FOUND, not_found=2, submitted_at=AT - 100_000), logging.ERROR,
         {"event_name": "job_failed", "failure_code": "LOST"}, [f"`swapline jobs replay {JOB} --from poll`"]),
        (lambda: polled(FakeStatusReply("IN_PROGRESS"), run_until=AT), logging.WARNING,
         {"event_name": "job_timed_out", "failure_code": "RUN_TIMEOUT"}, ["charged: yes", "status was IN_PROGRESS"]),
        (expired, logging.WARNING,
         {"event_name": "job_expired", "failure_code": "QUEUE_TTL"}, ["charged: no", "longer TTL"]),
        (lambda: unreadable(ObjectMissing("no inputs/ab")), logging.ERROR,
         {"event_name": "job_failed", "failure_code": "STORAGE_FAILED"}, ["no inputs/ab"]),
        (lambda: unreadable(StorageUnavailable("the store is away")), logging.WARNING,
         {"event_name": "submission_refused", "refusal": "input"}, ["the store is away"]),
        (given_up, logging.WARNING,
         {"event_name": "webhook_dead", "http_status": 410}, ["answered 410", "`swapline webhooks replay`"]),
    ],
)  # fmt: skip
def test_an_end_that_is_no_success_reports_why_what_it_cost_and_what_to_do(
    caplog: pytest.LogCaptureFixture, happens: Callable[[], World], level: int, fields: dict[str, Any], words: list[str]
) -> None:
    line = logged(caplog, happens())
    assert line.levelno == level
    assert {name: getattr(line, name, None) for name in fields} == fields
    assert [word for word in words if word not in line.message] == []


def test_a_refused_poll_is_logged_once_a_minute_however_many_jobs_run(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    change_log = ChangeLog(monotonic=lambda: now[0])
    world = polled(errors.Unauthorized("the vendor answered 401: no", evidence={"status": 401, "body": "no"}))
    line = logged(caplog, world, change_log)
    assert (line.levelno, line.event_name, line.http_status) == (logging.ERROR, "poll_refused", 401)
    caplog.clear()
    now[0] = 59.0
    change_log.written(RUNNING, world.session.last)
    assert caplog.records == []
    now[0] = 61.0
    change_log.written(RUNNING, world.session.last)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("seen", [FakeStatusReply("IN_PROGRESS"), errors.Unclear("cut")])
def test_what_is_as_it_should_be_needs_no_line(caplog: pytest.LogCaptureFixture, seen: Any) -> None:
    caplog.set_level(logging.DEBUG)
    for change in (*polled(seen).session.changes, *submitted().session.changes):
        ChangeLog().written(RUNNING, change)
    assert caplog.records == []


def submitted() -> World:
    world = World()
    submit(SUBMITTING, AT, world.ports)
    return world


def test_every_code_has_its_row() -> None:
    assert set(FAILURES) == set(FailureCode)
