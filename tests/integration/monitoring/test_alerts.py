"""Each alert is fired by breaking the thing that it watches: a real Prometheus, our rules, real scrapes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from chaos.proxy import Fault, Proxies
from support.jobs.factories import enqueued
from support.programs.debian import needs
from support.redis.fixtures import new_job, waited_for
from support.services.prometheus import RULES, running_prometheus
from swapline_producer.contract import State
from swapline_producer.contract.accounts import Limits
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from chaos.proxy import Proxy
    from support.programs.installation import Installation, Worker
    from support.services.prometheus import Prometheus
    from swapline_producer import Producer

pytestmark = needs("prometheus", "prometheus")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


def test_nobody_watches_no_worker_comes_and_the_ledger_goes_away(prometheus: Prometheus, tmp_path: Path) -> None:
    prometheus.fires("MetricsMissing")
    with EmbeddedValkey(tmp_path / "valkey", appendfsync="no") as server:
        client = connect(server.url, timeout=1.0, retries=0)
        ledger = Ledger(client, "alerts")
        ledger.intake.accept(new_job("a"))
        client.zadd("alerts:dispatchers", {"a worker that gives out no slot": (ledger.stats.snapshot().at + 60) * 1000})
        with prometheus.watching(ledger):
            prometheus.fires("OldestWaiting", "SlotsIdle")
            assert "SwaplineNoWorker" not in prometheus.firing()
            client.delete("alerts:dispatchers")
            prometheus.fires("NoWorker", "OldestWaiting")
            prometheus.is_silent("SlotsIdle")  # one page says it
            assert "SwaplineLedgerAway" not in prometheus.firing()
            server.kill()
            prometheus.fires("LedgerAway")
        client.close()


class Broken:
    """An installation with one worker, and the ways to break and mend it."""

    def __init__(self, installation: Installation, prometheus: Prometheus, wire: Proxy, worker: Worker) -> None:
        self.installation = installation
        self.control = installation.vendor.control
        self.producer: Producer = installation.producer()
        self.ledger = self.producer.ledger
        self.prometheus = prometheus
        self.wire = wire
        self.worker = worker

    def enqueued(self, number: int = 1, *, with_webhook: bool = False) -> list[str]:
        url = self.installation.receiver.url if with_webhook else None
        return enqueued(self.producer, number, webhook_url=url)

    def mended(self) -> None:
        """Everything behaves; the breaker's pause, minutes at worst, is not waited for."""
        self.control.change(clear_modes=True, key=self.installation.vendor.config.key, credits=1000, cap=3)
        self.ledger.client.delete(f"{self.ledger.prefix}:breaker")
        waited_for(
            lambda: self.ledger.stats.snapshot().jobs[State.QUEUED] + self.ledger.stats.snapshot().slots_used == 0
        )

    @contextmanager
    def misbehaving(self, mode: str, number: int = 1, **more: str | float | None) -> Generator[list[str]]:
        self.control.set_mode(mode, **more)
        yield self.enqueued(number)
        self.mended()


@pytest.fixture
def broken(installation: Installation, prometheus: Prometheus) -> Generator[Broken]:
    """All is well, and nothing is fired, until a test breaks it."""
    installation.more |= {"SWAPLINE_RESCUE_AFTER": "1", "SWAPLINE_POLL_MAX_INTERVAL": "0.2"}
    with Proxies() as proxies:
        wire = proxies.between("vendor", int(installation.vendor.url.rpartition(":")[2]))
        installation.more["SWAPLINE_API_BASE_URL"] = f"http://127.0.0.1:{wire.port}"
        with installation.worker() as worker:
            built = Broken(installation, prometheus, wire, worker)
            with prometheus.watching(built.ledger):
                [well] = built.enqueued()
                assert built.producer.wait(well, timeout=30).state is State.SUCCEEDED
                prometheus.is_silent(*NAMES)
                yield built


NAMES = [line.partition("alert: Swapline")[2] for line in RULES.read_text().splitlines() if "alert: Swapline" in line]


def test_what_goes_wrong_at_the_vendor_is_reported(broken: Broken) -> None:
    with broken.misbehaving("status_unknown"):
        broken.prometheus.fires("UnknownStatus")
    with broken.misbehaving("status_other_job"):
        broken.prometheus.fires("RepliesMisdirected")
    with broken.misbehaving("status_500"):
        broken.prometheus.fires("PollsFailing", "VendorRefuses")
    with broken.misbehaving("result_failed"):
        broken.prometheus.fires("JobsFailing")
    with broken.misbehaving("submit_401"):
        broken.prometheus.fires("KeyRefused")
    broken.prometheus.is_silent("KeyRefused", "PollsFailing", "UnknownStatus", "VendorRefuses")
    with broken.misbehaving("submit_402"):
        broken.prometheus.fires("OutOfCredits")
    away = broken.wire.order(Fault.REFUSE)
    broken.enqueued()
    broken.prometheus.fires("VendorRefuses")
    broken.wire.lift(away)
    broken.mended()
    broken.control.change(cap=1, service_time="fixed:1")
    broken.enqueued(3)
    broken.prometheus.fires("SlotsShrunk")
    assert "SwaplineKeyRefused" not in broken.prometheus.firing()


def test_slots_that_lost_replies_hold_wake_somebody_once_jobs_wait(broken: Broken) -> None:
    broken.control.set_mode("submit_closed_accepted", next_submissions=3)
    broken.enqueued(3)
    broken.prometheus.fires("JobHeld")
    assert "SwaplineVendorRefuses" not in broken.prometheus.firing()
    broken.enqueued()
    broken.prometheus.fires("VendorRefuses")


def test_what_goes_wrong_on_our_side_is_reported(broken: Broken) -> None:
    broken.control.set_mode("submit_closed_accepted", next_submissions=1)
    broken.enqueued()
    broken.prometheus.fires("JobHeld")

    broken.installation.receiver.answers += [500, 410]
    broken.enqueued(2, with_webhook=True)
    broken.prometheus.fires("WebhooksFailing", "WebhooksDead")

    results = broken.installation.store / "results"
    rmtree(results, ignore_errors=True)
    results.write_text("in the way")
    broken.enqueued()
    broken.prometheus.fires("StorageFailing")
    results.unlink()

    spent = broken.ledger.limits.credits().spent
    broken.ledger.limits.configure(Limits(max_in_flight=3, rescue_after=1, credits_per_day=spent))
    broken.enqueued()
    broken.prometheus.fires("DailyCreditsSpent")
    broken.ledger.limits.forget(["credits_per_day"])

    broken.control.change(service_time="fixed:5", mode="status_held")
    polls = broken.ledger.stats.snapshot().counts["polls_begun"]
    broken.enqueued()
    waited_for(lambda: broken.ledger.stats.snapshot().counts["polls_begun"] > polls)
    broken.worker.kill()  # in the middle of a poll
    broken.prometheus.fires("NoWorker")
    with broken.installation.worker():
        broken.prometheus.has_fired("DispatcherLate", "ManyRescues")
        broken.prometheus.is_silent("NoWorker")
        assert "SwaplineStorageFailing" not in broken.prometheus.firing()


def test_an_account_that_is_refused_beside_another_is_reported(
    installation: Installation, prometheus: Prometheus
) -> None:
    vendor = installation.vendor
    there = {"base_url": vendor.url, "key_header": vendor.config.key_header, "max_in_flight": 1}
    accounts = [
        {"name": "good", "key": vendor.config.key, **there},
        {"name": "revoked", "key": "a revoked key", **there},
    ]
    installation.more |= {"SWAPLINE_RESCUE_AFTER": "1", "SWAPLINE_ACCOUNTS": json.dumps(accounts)}
    producer = installation.producer()
    with installation.worker(), prometheus.watching(producer.ledger):
        jobs = enqueued(producer, 4)
        prometheus.fires("AccountPaused")
        assert [producer.wait(job_id, timeout=30).state for job_id in jobs] == [State.SUCCEEDED] * 4


def test_every_alert_is_fired_in_a_test_of_this_page() -> None:
    page = __file__
    with open(page, encoding="utf-8") as text:  # noqa: PTH123 -- one file
        source = text.read()
    assert [name for name in NAMES if f'"{name}"' not in source] == []
