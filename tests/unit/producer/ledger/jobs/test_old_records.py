"""What 0.1.0 writes into Redis, kept here as it is: every later release reads it."""

from __future__ import annotations

import json

import pytest

from swapline_producer.contract import JobEvent, Notification, State
from swapline_producer.ledger.jobs.record import job_of

# From the release of 0.1.0 on, never change these: add what a new version writes.
WAITING = {
    "state": "QUEUED",
    "version": "1",
    "sent": "1",
    "created_at": "1795374000000",
    "queue_until": "1795460400000",
    "spec": '{"gender":1,"filter_id":12,"api_version":"v6","image":{"kind":"url","url":"https://pictures.example/me.jpg"}}',
    "tenant": "default",
    "priority": "normal",
    "run_timeout_ms": "1800000",
}
FINISHED = {
    **WAITING,
    "state": "SUCCEEDED",
    "version": "11",
    "sent": "10",
    "slot": "0",
    "spent_on": "20780",
    "attempts": "1",
    "attempt_open": "0",
    "polls": "4",
    "retries": "0",
    "not_found": "0",
    "silent": "0",
    "vendor_job_id": "job-abc-123",
    "vendor_status": "COMPLETED",
    "credits": "2",
    "submitted_at": "1795374001000",
    "run_until": "1795375801000",
    "polled_at": "1795374005000",
    "terminal_at": "1795374009000",
    "finished_at": "1795374009500",
    "spec": '{"gender":4,"filter_id":"7f6f4a3e-0d0c-4a51-9d69-3a2e5f2b9a11","api_version":"v5","ratio":"portrait",'
    '"extra":{"seed":7},"webhook_url":"https://shop.example/hooks","metadata":{"order":"4711"},'
    '"image":{"kind":"stored","sha256":"%s","media_type":"image/png","width":8,"height":8,"size":93}}' % ("ab" * 32),
    "batch": "spring",
    "idempotency_key": "order-4711",
    "images": '[{"key":"results/default/2026/11/22/a/0.png","sha256":"%s","bytes":93,"width":8,"height":8}]'
    % ("cd" * 32),
    "notification": "DELIVERED",
    "notify_attempts": "1",
}


def test_a_job_that_waited_before_the_upgrade_is_read_after_it() -> None:
    job = job_of("a" * 32, WAITING)
    assert (job.state, job.tenant, job.spec.filter_id, job.attempts) == (State.QUEUED, "default", 12, 0)
    assert job.trace_id == "a" * 32


def test_a_job_that_had_finished_is_read_with_all_it_has() -> None:
    job = job_of("a" * 32, {**FINISHED, "spec": FINISHED["spec"].replace('"gender":4', '"gender":1')})
    assert (job.state, job.credits, job.notification) == (State.SUCCEEDED, 2, Notification.DELIVERED)
    assert (job.spec.batch, job.spec.idempotency_key, job.spec.metadata) == ("spring", "order-4711", {"order": "4711"})
    assert job.images[0].bytes == 93


@pytest.mark.parametrize("record", [WAITING])
def test_what_a_later_version_adds_is_passed_over(record: dict[str, str]) -> None:
    spec = json.dumps(json.loads(record["spec"]) | {"of_tomorrow": 1})
    assert job_of("a", {**record, "of_tomorrow": "1", "spec": spec}).state is State.QUEUED


def test_a_line_of_an_old_log_is_read() -> None:
    line = '{"at":1795374001000,"name":"submitted","data":{"vendor_job_id":"job-abc-123","status":"IN_QUEUE"}}'
    assert JobEvent.model_validate_json(line).name == "submitted"
