"""SIGTERM, deployments, and messages of the version before: nothing is lost, repeated or kept waiting."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from itertools import product
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import redis

from support.jobs.factories import enqueued
from support.programs.installation import WAYS
from support.redis.fixtures import new_job, waited_for
from swapline_producer.contract import LinkedImage, State, Step

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver, Worker
    from swapline_producer import Producer

NEVER = "fixed:3600"
"""A service time that no test waits for: tests end the vendor's jobs."""

LONG = "60"
"""Seconds, as a setting: a rescue that would come after the test has ended explains nothing in it."""


def polled_at(installation: Installation) -> int:
    """Status calls that the vendor has seen, those under way included."""
    return sum(job.polls for job in installation.vendor.control.report().jobs)


def submits_read(worker: Worker) -> int:
    """Messages of `submit` that the worker has read, which it logs at DEBUG."""
    return sum("swapline.submit[" in line and " received" in line for line in worker.lines)


def names(producer: Producer, job_id: str) -> list[str]:
    return [event.name for event in producer.events(job_id)]


def test_a_stopping_worker_finishes_its_steps(installation: Installation) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = LONG
    installation.vendor.control.change(service_time=NEVER, mode="status_held")
    producer = installation.producer()
    with installation.worker() as worker:
        [job_id] = enqueued(producer)
        waited_for(lambda: polled_at(installation) == 1)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        installation.vendor.control.finish()
        assert worker.child.wait(60) == 0
    done = [name for name in names(producer, job_id) if name != "released"]  # the next step's message, if it was read
    assert done[-1] == "completed"
    assert "leased jobs were released" not in worker.log()
    with installation.worker():
        assert producer.wait(job_id, timeout=50).state is State.SUCCEEDED
    assert "rescues" not in producer.ledger.stats.counters()


def test_what_is_not_finished_within_the_grace_period_is_released_at_once(installation: Installation) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_STOP_GRACE": "2", "SWAPLINE_LOG_LEVEL": "DEBUG"}
    installation.vendor.control.change(service_time=NEVER, mode="status_held_pending=30")
    producer = installation.producer()
    with installation.worker("-c", "2") as worker:
        jobs = enqueued(producer, 3)
        waited_for(lambda: polled_at(installation) == 2)  # both threads sit in a call; the third job's message waits
        waited_for(lambda: submits_read(worker) == 3)  # one on its way to a process that ends has to be rescued
        began = monotonic()
        assert worker.stop() == 0
        took = monotonic() - began
    assert took < 20, "it waited for the calls, which are held for half a minute"
    assert "2 leased jobs were released" in worker.log()
    installation.vendor.control.change(clear_modes=True, finish=True, service_time="fixed:0.05")
    with installation.worker():
        ended = [producer.wait(job_id, timeout=50) for job_id in jobs]
    assert [job.state for job in ended] == [State.SUCCEEDED] * 3
    assert sum(names(producer, job_id).count("released") for job_id in jobs) >= 2
    assert "rescues" not in producer.ledger.stats.counters()
    assert installation.vendor.control.report().credits_spent == 6


@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"solo"}))  # solo reads nothing while a step runs
def test_what_is_read_after_the_signal_is_released_at_once(installation: Installation, way: str) -> None:
    """Celery forgets messages that it has read and not begun when it leaves the broker."""
    installation.pool, installation.more["SWAPLINE_DISPATCH"] = WAYS[way]
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_STOP_GRACE": "10"}
    installation.vendor.control.change(service_time=NEVER, mode="status_held_pending=30")
    producer = installation.producer()
    with installation.worker("-c", "1") as worker:
        [held] = enqueued(producer)
        waited_for(lambda: polled_at(installation) == 1)
        with worker.frozen():
            [late] = enqueued(producer)
            os.kill(worker.child.pid, signal.SIGTERM)
        waited_for(lambda: "released" in names(producer, late))
        assert worker.child.poll() is None, "it waits for the call that is held"
        assert "released" not in names(producer, held)
        worker.child.terminate()
        assert worker.child.wait(60) == 0
    assert names(producer, late).count("released") == 1
    assert "rescues" not in producer.ledger.stats.counters()


def test_a_second_signal_releases_at_once(installation: Installation) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_STOP_GRACE": LONG}
    installation.vendor.control.change(service_time=NEVER, mode="status_held_pending=30")
    producer = installation.producer()
    with installation.worker() as worker:
        [job_id] = enqueued(producer)
        waited_for(lambda: polled_at(installation) == 1)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        assert worker.stop() == 0
    assert "stopped at once: 1 leased jobs were released" in worker.log()
    assert names(producer, job_id)[-1] == "released"
    assert "rescues" not in producer.ledger.stats.counters()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("again", SIGNALS)
def test_no_number_of_signals_cuts_a_paid_call(installation: Installation, pool: str, again: signal.Signals) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_MAX_IN_FLIGHT": "4"}
    installation.vendor.control.change(cap=4)
    installation.vendor.control.set_mode("submit_slow_accepted", amount=60)
    producer = installation.producer()
    with installation.celery_worker("-P", pool, "-c", "4") as worker:
        jobs = enqueued(producer, 4)
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 4)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        for _ in range(3):
            os.killpg(worker.child.pid, again)  # as a terminal and systemd do: child processes get it as well
        with pytest.raises(subprocess.TimeoutExpired):
            worker.child.wait(2)
        installation.vendor.control.finish()
        assert worker.child.wait(60) == 0
    done = [producer.get(job_id) for job_id in jobs]
    assert [(job.state, job.credits, job.attempt_open) for job in done] == [(State.RUNNING, 2, False)] * 4
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("pool", ["threads", "processes", "solo"])
@pytest.mark.parametrize(("first", "second"), list(product(SIGNALS, repeat=2)))
def test_a_second_signal_releases_at_once_whatever_the_order(
    installation: Installation, pool: str, first: signal.Signals, second: signal.Signals
) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_STOP_GRACE": LONG}
    installation.vendor.control.change(service_time=NEVER, mode="status_held_pending=30")
    producer = installation.producer()
    with installation.celery_worker("-P", pool, "-c", "2") as worker:
        [job_id] = enqueued(producer)
        waited_for(lambda: polled_at(installation) == 1)
        began = monotonic()
        worker.child.send_signal(first)
        waited_for(lambda: " shutdown (MainProcess)" in worker.log())
        if first is not signal.SIGQUIT:
            worker.child.send_signal(second)
        assert worker.child.wait(60) == 0
        took = monotonic() - began
    assert names(producer, job_id)[-1] == "released"
    assert took < 20, "it waited for the call, which is held for half a minute"
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_a_second_signal_releases_everything_but_a_paid_call(installation: Installation, pool: str) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_STOP_GRACE": LONG}
    installation.vendor.control.change(service_time=NEVER, mode="status_held_pending=30")
    producer = installation.producer()
    with installation.celery_worker("-P", pool, "-c", "4") as worker:
        [polled] = enqueued(producer)
        waited_for(lambda: polled_at(installation) == 1)
        installation.vendor.control.set_mode("submit_slow_accepted", amount=60)
        [paying] = enqueued(producer)
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 2)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        worker.child.send_signal(signal.SIGQUIT)
        waited_for(lambda: names(producer, polled)[-1] == "released")
        assert producer.get(paying).attempt_open, "it was released while the paid call was under way"
        installation.vendor.control.finish()
        assert worker.child.wait(60) == 0
    assert (producer.get(paying).state, producer.get(paying).credits) == (State.RUNNING, 2)
    assert "Traceback" not in worker.log()


def test_a_paid_call_under_way_is_waited_for(installation: Installation) -> None:
    installation.vendor.control.set_mode("submit_slow_accepted", amount=60)
    producer = installation.producer()
    with installation.worker() as worker:
        [job_id] = enqueued(producer)
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 1)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        installation.vendor.control.finish()
        assert worker.child.wait(60) == 0
    assert (producer.get(job_id).state, producer.get(job_id).credits) == (State.RUNNING, 2)


def test_a_paid_call_longer_than_the_grace_period_is_not_released_but_held(installation: Installation) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": "1", "SWAPLINE_STOP_GRACE": "0.5"}
    installation.vendor.control.set_mode("submit_slow_accepted", amount=30)
    producer = installation.producer()
    with installation.worker() as worker:
        [job_id] = enqueued(producer)
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 1)
        worker.stop()
    assert "1 are in a paid call" in worker.log()
    assert producer.get(job_id).attempt_open
    with installation.worker():
        waited_for(lambda: producer.get(job_id).state is State.HELD)
    assert installation.vendor.control.report().credits_spent == 2


def test_a_stopping_worker_begins_no_paid_call(installation: Installation) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_LOG_LEVEL": "DEBUG"}
    installation.vendor.control.set_mode("submit_slow_accepted", amount=60)
    producer = installation.producer()
    with installation.worker("-c", "1") as worker:
        jobs = enqueued(producer, 3)  # one is being sent; the others have a slot, and their messages wait in the worker
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 1)
        waited_for(lambda: submits_read(worker) == 3)
        worker.child.terminate()
        waited_for(lambda: "Warm shutdown" in worker.log())
        installation.vendor.control.finish()
        assert worker.child.wait(60) == 0
    assert installation.vendor.control.report(jobs=False).submissions == 1
    installation.vendor.control.clear_modes()
    with installation.worker():
        ended = [producer.wait(job_id, timeout=30) for job_id in jobs]
    assert [job.state for job in ended] == [State.SUCCEEDED] * 3
    assert "rescues" not in producer.ledger.stats.counters()
    assert installation.vendor.control.report().credits_spent == 6


def test_a_rolling_restart_under_load_loses_and_repeats_nothing(installation: Installation, receiver: Receiver) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = LONG
    installation.vendor.control.change(service_time="fixed:0.2")
    producer = installation.producer()
    with ExitStack() as fleet:
        old = [fleet.enter_context(installation.worker()) for _ in range(2)]
        jobs = enqueued(producer, 24, webhook_url=receiver.url)
        for worker in old:
            fleet.enter_context(installation.worker())
            assert worker.stop() == 0
        ended = [producer.wait(job_id, timeout=60) for job_id in jobs]
        waited_for(lambda: len(receiver.raw) >= len(jobs))
    assert [job.state for job in ended] == [State.SUCCEEDED] * len(jobs)
    assert installation.vendor.control.report().credits_spent == 2 * len(jobs)
    assert {job.attempts for job in ended} == {1}
    ids = [receiver.next()[0] for _ in range(len(receiver.raw))]
    assert sorted(set(ids)) == sorted(ids)
    assert "rescues" not in producer.ledger.stats.counters()


FROZEN_ID = "0193a4f0c0de5eed5eed5eed5eed5eed"

FROZEN = (
    b'{"body": "W1siMDE5M2E0ZjBjMGRlNWVlZDVlZWQ1ZWVkNWVlZDVlZWQiLCAxXSwge30sIHsiY2FsbGJhY2tzIjogbnVsbCwgIm'
    b'VycmJhY2tzIjogbnVsbCwgImNoYWluIjogbnVsbCwgImNob3JkIjogbnVsbH1d", "content-encoding": "utf-8", "conte'
    b'nt-type": "application/json", "headers": {"lang": "py", "task": "swapline.STEP", "id": "0193a4f0c0de'
    b'5eed5eed5eed5eed5eed-STEP", "shadow": null, "eta": null, "expires": null, "group": null, "group_inde'
    b'x": null, "retries": 0, "timelimit": [null, null], "root_id": "0193a4f0c0de5eed5eed5eed5eed5eed-STEP'
    b'", "parent_id": null, "argsrepr": "(\'0193a4f0c0de5eed5eed5eed5eed5eed\', 1)", "kwargsrepr": "{}", "or'
    b'igin": "gen30346@vm", "ignore_result": true, "replaced_task_nesting": 0, "stamped_headers": null, "s'
    b'tamps": {}}, "properties": {"correlation_id": "0193a4f0c0de5eed5eed5eed5eed5eed-STEP", "reply_to": "'
    b'8be7fa16-2dad-3ab6-84a0-c3ac6ae0f343", "delivery_mode": 2, "delivery_info": {"exchange": "", "routin'
    b'g_key": "frozen.STEP"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "01bb69f6-f7c3-4ab'
    b'2-ab92-f331ae16d579"}}'
)
"""A message as version 0.1 sent it, byte for byte; STEP stands for the step's name. It must be understood for ever."""


def frozen(step: Step) -> bytes:
    return FROZEN.replace(b"STEP", step.value.encode())


def test_a_message_of_the_first_version_is_understood(installation: Installation) -> None:
    installation.prefix = "frozen"
    installation.more |= {"SWAPLINE_RESCUE_AFTER": LONG, "SWAPLINE_LOG_LEVEL": "DEBUG"}  # stale messages are logged
    producer = installation.producer()
    image = LinkedImage(url="https://pictures.example/me.jpg")
    producer.ledger.intake.accept(new_job(FROZEN_ID, image=image))
    with installation.worker() as worker, redis.Redis.from_url(installation.valkey.url) as client:
        client.lpush("frozen.submit", frozen(Step.SUBMIT))
        assert producer.wait(FROZEN_ID, timeout=20).state is State.SUCCEEDED
        for step in Step:
            client.lpush(f"frozen.{step}", frozen(step))  # of a turn that has long passed: understood, and dropped
        waited_for(lambda: worker.log().count('"message":"stale: the job has moved on"') == len(Step))
    assert "Traceback" not in worker.log()
