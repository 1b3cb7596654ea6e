"""Sentinel: three of them, a master, a replica. What a fail-over does to jobs, and what it cannot do to money."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from kombu import Connection

from support.celery.apps import answer
from support.programs.debian import needs
from support.programs.installation import Installation
from support.redis.fixtures import waited_for
from support.redis.processes import PASSWORDS, Watched, watched
from swapline_producer import SwapRequest
from swapline_producer.errors import LedgerUnavailable, NotReplicated
from swapline_producer.settings import ProducerSettings
from swapline_workers.celery_app import build_app
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.dispatch.transport import SentinelTransport, use_transports

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Receiver
    from swapline_simulator import Simulator

pytestmark = needs("redis-sentinel", "redis-sentinel")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Watched]:
    """The same for all; the test that kills the master comes last."""
    with watched(tmp_path_factory.mktemp("watched")) as everything:
        yield everything


@pytest.fixture
def services(servers: Watched, prefix: str, tmp_path: Path, vendor: Simulator, receiver: Receiver) -> Installation:
    store = tmp_path / "store"
    store.mkdir()
    server = cast("Any", servers)  # an installation asks its server for nothing but a URL
    return Installation(server, prefix, store, vendor, receiver, more={"SWAPLINE_RESCUE_AFTER": "3"})


@pytest.fixture(params=["local", "celery"])
def both_dispatches(request: pytest.FixtureRequest, services: Installation) -> None:
    services.more["SWAPLINE_DISPATCH"] = request.param


def request(number: int) -> SwapRequest:
    link = "https://pictures.example/me.jpg"
    return SwapRequest(image=link, gender=0, filter_id=12, idempotency_key=f"order-{number}")


def test_no_paid_call_is_made_that_a_fail_over_could_forget(services: Installation, servers: Watched) -> None:
    services.more["SWAPLINE_REDIS_REPLICAS"] = "1"
    producer = services.producer()
    replica = next(server for server in servers.servers if server is not servers.master())
    assert replica.child is not None
    with services.worker():
        os.kill(replica.child.pid, signal.SIGSTOP)
        job_id = producer.enqueue(request(1)).job_id
        waited_for(lambda: any(line.name == "not submitted" for line in producer.events(job_id)))
        assert "fewer replicas have it" in str(producer.events(job_id)[-1].data["reason"])
        assert services.vendor.control.report(jobs=False).submissions == 0
        os.kill(replica.child.pid, signal.SIGCONT)
        done = producer.wait(job_id, timeout=60)
    assert (done.state.value, done.attempts, done.credits) == ("SUCCEEDED", 2, 2)


def test_a_job_counts_as_accepted_when_its_replicas_have_it(services: Installation, servers: Watched) -> None:
    careful = ProducerSettings(redis_url=servers.url, key_prefix=services.prefix, redis_replicas=2)
    producer = type(services.producer()).connect(careful)
    with pytest.raises(NotReplicated, match="is written, but a fail-over could forget it"):
        producer.enqueue(request(1))
    [result] = producer.enqueue_many([request(1)])
    assert isinstance(result.error, NotReplicated)


def test_the_second_sentinel_is_asked_through_our_transport_as_well(servers: Watched) -> None:
    producer_settings = ProducerSettings(redis_url=servers.url, key_prefix="t")
    settings = broker_settings(producer_settings)
    use_transports(producer_settings.redis)
    with Connection(settings["broker_url"], transport_options=settings["broker_transport_options"]) as connection:
        connection.maybe_switch_next()
        assert isinstance(connection.transport, SentinelTransport)
        with connection.SimpleQueue("t.q") as queue:
            queue.put({"through": "the second"})
            assert queue.get(timeout=5).payload == {"through": "the second"}


@pytest.mark.usefixtures("both_dispatches")
def test_inspect_answers_and_tells_no_password(services: Installation, servers: Watched) -> None:
    app = build_app(ProducerSettings(redis_url=servers.url, key_prefix=services.prefix))
    with services.worker() as worker:
        for command in ("stats", "conf", "report", "active_queues"):
            found = json.dumps(answer(app, command))
            assert [password for password in PASSWORDS.values() if password in found] == [], command
    app.close()
    assert [password for password in PASSWORDS.values() if password in worker.log()] == []


def test_a_wrong_service_is_one_sentence(services: Installation, servers: Watched) -> None:
    wrong = servers.url.replace("/faces/", "/missing/")
    refused = services.cli("slots", SWAPLINE_REDIS_URL=wrong)
    assert refused.returncode == 1
    assert "No master found for 'missing'" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_planned_fail_over_loses_no_job_that_was_accepted_and_pays_none_twice(
    services: Installation, servers: Watched
) -> None:
    services.more["SWAPLINE_REDIS_REPLICAS"] = "1"
    services.more["SWAPLINE_MAX_IN_FLIGHT"] = "6"  # the first three may be HELD, each with its slot
    services.vendor.control.change(cap=6)
    careful = ProducerSettings(redis_url=servers.url, key_prefix=services.prefix, redis_replicas=1)
    producer = type(services.producer()).connect(careful)
    jobs: list[str] = []

    def accepted(number: int) -> bool:
        with suppress(LedgerUnavailable):  # NotReplicated is one: asking again with the same key gives the same job
            jobs.append(producer.enqueue(request(number)).job_id)
        return len(jobs) > number

    def ended() -> bool:
        # The vendor's answer may have been written to the old master alone, at its end: then a person decides.
        with suppress(LedgerUnavailable):  # until the sentinels name the new master: the old one is asked nothing
            return {job.state.value for job in producer.ledger.jobs.get_many(jobs)} <= {"SUCCEEDED", "HELD"}
        return False

    with services.worker():
        for number in range(3):
            waited_for(lambda number=number: accepted(number))  # type: ignore[misc]  # its type is that of `accepted`
        upgraded = servers.master()
        with servers.sentinels[0].client() as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", "faces")
        for number in range(3, 6):
            waited_for(lambda number=number: accepted(number))  # type: ignore[misc]  # the same
        waited_for(lambda: servers.master() is not upgraded)
        waited_for(ended)
    assert (len(set(jobs)), services.vendor.control.report(jobs=False).credits_spent) == (6, 12)


def test_jobs_run_before_during_and_after_a_fail_over_and_none_is_paid_twice(
    services: Installation, servers: Watched
) -> None:
    producer = services.producer()
    with services.worker() as worker:
        jobs = [producer.enqueue(request(number)).job_id for number in range(10)]
        waited_for(lambda: any(job.state.finished for job in producer.ledger.jobs.get_many(jobs)))
        dead = servers.master()
        with producer.ledger.client.pipeline(transaction=False) as pipe:  # what has no copy yet would be lost
            pipe.set(f"{services.prefix}:mark", 1)
            pipe.wait(1, 30_000)
            assert pipe.execute()[1] >= 1
        dead.kill()

        def one_more_is_taken() -> bool:
            with suppress(LedgerUnavailable):
                jobs.append(producer.enqueue(request(len(jobs))).job_id)
            return len(jobs) > 20

        waited_for(one_more_is_taken)
        assert servers.master() is not dead
        done = producer.wait_many(jobs, timeout=60)
        assert worker.child.poll() is None, worker.log()
    assert {job.state.value for job in done} == {"SUCCEEDED"}
    assert services.vendor.control.report(jobs=False).credits_spent == 2 * len(jobs)
