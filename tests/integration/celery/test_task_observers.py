"""Observers of Celery's tasks see every step once, whichever way it runs: Sentry, OpenTelemetry, a user's handlers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.celery.observed_apps import BROKEN_NOTIFY, CANARY, HANDLERS, OPENTELEMETRY, SENTRY, seen, write_app
from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import SECRET
from support.redis.fixtures import waited_for
from swapline_producer.contract import Gender, Job, State

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver

Records = list[dict[str, Any]]


def run_observed(installation: Installation, receiver: Receiver, *parts: str) -> tuple[Job, str]:
    """Run one job in a worker with an observer; return the job and the worker's log."""
    write_app(installation, *parts)
    installation.vendor.control.change(service_time="fixed:1")
    with installation.celery_worker("-P", installation.pool, app="observed") as worker:
        assert worker.way == (installation.pool, installation.more["SWAPLINE_DISPATCH"])
        job = installation.run(image=PHOTOGRAPH, gender=Gender.FEMALE, filter_id=12, webhook_url=receiver.url)
        if BROKEN_NOTIFY in parts:
            waited_for(lambda: "raised unexpected" in worker.log())
        else:
            receiver.next()
    assert job.state is State.SUCCEEDED
    return installation.producer().get(job.job_id), worker.log()


def polls_of(job: Job, pool: str, found: int) -> int:
    """Return the poll steps of a job. A finalize in another child process asks the vendor once more by itself."""
    return job.polls - 1 if pool == "processes" and found == job.polls - 1 else job.polls


def per_step(polls: int) -> dict[str, int]:
    """Return how often each step has run."""
    return {"swapline.submit": 1, "swapline.poll": polls, "swapline.finalize": 1, "swapline.notify": 1}


def leaks(installation: Installation) -> list[str]:
    """Return lines of what left with a secret, a picture or a URL in them."""
    text = (installation.store.parent / "seen.jsonl").read_text()
    secrets = (installation.vendor.config.key, SECRET, CANARY, "https://", "http://", "iVBORw0KGgo")
    return [text[max(0, at - 200) : at + 100] for secret in secrets if (at := text.find(secret)) >= 0]


@pytest.mark.usefixtures("every_way")
def test_sentry_has_a_transaction_a_step_and_no_error(installation: Installation, receiver: Receiver) -> None:
    job, _ = run_observed(installation, receiver, SENTRY)
    records = seen(installation)
    transactions = [one for one in records if one["kind"] == "transaction"]
    steps = Counter(one["transaction"] for one in transactions)
    polls = polls_of(job, installation.pool, steps["swapline.poll"])
    assert steps == per_step(polls)
    statuses = [one["contexts"]["trace"]["status"] for one in transactions if one["transaction"] == "swapline.poll"]
    assert sorted(statuses) == ["aborted"] * (polls - 1) + ["ok"]
    assert [one for one in records if one["kind"] == "event"] == []
    assert leaks(installation) == []


@pytest.mark.usefixtures("every_way")
def test_sentry_has_one_event_of_an_exception(installation: Installation, receiver: Receiver) -> None:
    job, _ = run_observed(installation, receiver, SENTRY, BROKEN_NOTIFY)
    [event] = [one for one in seen(installation) if one["kind"] == "event"]
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("ValueError", "nothing at [url]")
    assert event["tags"]["celery_task_id"] == f"{job.job_id}-notify"
    assert leaks(installation) == []


@pytest.mark.usefixtures("every_way")
def test_opentelemetry_has_a_span_a_step_and_an_error_only_of_an_exception(
    installation: Installation, receiver: Receiver
) -> None:
    job, _ = run_observed(installation, receiver, OPENTELEMETRY, BROKEN_NOTIFY)
    spans = seen(installation)
    runs = [span for span in spans if span["name"].startswith("run/")]
    steps = Counter(span["name"].removeprefix("run/") for span in runs)
    assert steps == per_step(polls_of(job, installation.pool, steps["swapline.poll"]))
    failed = [span["name"] for span in spans if span["status"]["status_code"] == "ERROR"]
    assert failed == ["run/swapline.notify"]
    published = {span["name"] for span in spans if span["name"].startswith("apply_async/")}
    assert published == {f"apply_async/swapline.{step}" for step in ("poll", "finalize", "notify")}
    parents = {span["name"]: span["parent_id"] for span in runs}
    assert parents["run/swapline.finalize"] is not None  # published by the poll, in its trace


PUBLISHED = ["before_task_publish", "after_task_publish"]
RETRIED = ["task_received", "task_prerun", "task_retry", "task_postrun"]
SUCCEEDED = ["task_received", "task_prerun", "task_success", "task_postrun"]


def of_one_step(records: Records, task_id: str, *, published: bool = False) -> list[str]:
    """Return a step's signals; those of its publication apart: another thread may receive it meanwhile."""
    return [one["signal"] for one in records if one["id"] == task_id and (one["signal"] in PUBLISHED) is published]


@pytest.mark.usefixtures("every_way")
def test_a_users_handlers_are_called_for_every_step(installation: Installation, receiver: Receiver) -> None:
    job, _ = run_observed(installation, receiver, HANDLERS)
    records = seen(installation)
    for step in ("submit", "finalize", "notify"):
        assert of_one_step(records, f"{job.job_id}-{step}") == SUCCEEDED
    found = of_one_step(records, f"{job.job_id}-poll")
    polls = polls_of(job, installation.pool, found.count("task_prerun"))
    assert found == RETRIED * (polls - 1) + SUCCEEDED
    for step, times in {"submit": 0, "poll": polls, "finalize": 1, "notify": 1}.items():
        assert of_one_step(records, f"{job.job_id}-{step}", published=True) == PUBLISHED * times
    assert {one["sender"] for one in records if one["signal"] == "task_prerun"} == set(per_step(polls))
    assert {one["reason"] for one in records if one["signal"] == "task_retry"} == {"Retry"}
    results = [one["result"] for one in records if one["signal"] == "task_success"]
    assert results == ["next: poll", "next: finalize", "next: notify", "answered 204"]


@pytest.mark.usefixtures("both_ways")
def test_an_exception_calls_the_handlers_of_failure_once(installation: Installation, receiver: Receiver) -> None:
    job, log = run_observed(installation, receiver, HANDLERS, BROKEN_NOTIFY)
    signals = of_one_step(seen(installation), f"{job.job_id}-notify")
    assert signals == ["task_received", "task_prerun", "task_failure", "task_postrun"]
    assert log.count("raised unexpected") == 1
