"""Whether submitting is paused, and why: `slots`, doctor, board and metrics say the same, while it is so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from support.ledgers.refusal_stories import Shop
from support.ledgers.small_world import WatchedLedger
from swapline_producer.cli import connections
from swapline_producer.cli.account.slots import slots
from swapline_producer.client.cancel import cancel
from swapline_producer.contract import State
from swapline_producer.ledger import connect
from swapline_producer.operations.doctor import ledger as doctor
from swapline_producer.operations.recovery import Recovery
from swapline_workers.board.facts.overview import read_overview
from swapline_workers.telemetry.metrics.collector import SystemCollector
from swapline_workers.telemetry.metrics.families import KINDS

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.redis.fixtures import Time
    from swapline_workers.local.valkey.server import EmbeddedValkey

REASON = "the vendor refuses the key"


class Command:
    """`swapline slots` on the test's ledger."""

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recovery = Recovery(shop.ledger, shop.world.bag)
        monkeypatch.setattr(connections, "ledger", lambda: shop.ledger)
        monkeypatch.setattr(connections, "producer", lambda: self)

    def __call__(self, *arguments: str) -> str:
        done = CliRunner().invoke(slots, list(arguments))
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())


@pytest.fixture
def shop(valkey: EmbeddedValkey, prefix: str, time: Time) -> Generator[Shop]:
    client = connect(valkey.url)
    yield Shop(WatchedLedger(client, prefix, clock=time), time, 3)
    client.close()


@pytest.fixture
def command(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(shop, monkeypatch)


def shown_by(shop: Shop, command: Command) -> dict[str, bool]:
    """Which surfaces say that submitting is paused. None may give a reason where it says that it is not."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(shop.ledger.stats.snapshot))
    metric = {kind: registry.get_sample_value("swapline_breaker_open", {"reason": kind}) for kind in KINDS}
    text, facts = command(), json.loads(command("--json"))
    findings = [one.found for one in doctor.jobs(shop.ledger) if one.name == "line" and one.verdict == "fail"]
    notices = [one.text for one in read_overview(shop.ledger).notices]
    figures = shop.ledger.stats.snapshot()
    found = {
        "slots": "submitting is paused" in text,
        "slots --json": facts["trips"] > 0,
        "doctor": any("submitting is paused" in one for one in findings),
        "board": any("Submitting is paused" in one for one in notices),
        "metrics": metric["unauthorized"] == 1,
    }
    words = [text, facts["reason"] or "", *findings, *notices, figures.breaker_reason or ""]
    assert any(REASON in one for one in words) == any(found.values())
    assert sum(value or 0 for value in metric.values()) == (1 if found["metrics"] else 0)
    assert (figures.trips > 0) == found["metrics"]
    return found


ALL = dict.fromkeys(("slots", "slots --json", "doctor", "board", "metrics"), True)
NONE = dict.fromkeys(ALL, False)


def test_a_breaker_that_is_open_or_probes_is_shown_alike_and_gone_with_the_first_acceptance(
    shop: Shop, command: Command
) -> None:
    assert shown_by(shop, command) == NONE
    shop.vendor.down = "401"
    shop.enqueue("a", "b")
    assert shown_by(shop, command) == ALL
    shop.time.pass_(300)  # the pause is over, and no worker has tried yet
    assert shown_by(shop, command) == ALL
    shop.vendor.down = None
    shop.run_until(lambda: shop.get("a").state is State.RUNNING)
    assert shown_by(shop, command) == NONE


@pytest.mark.parametrize("worker", [True, False], ids=["while a worker runs", "while none does"])
def test_a_breaker_that_nobody_waits_for_closes_by_itself(shop: Shop, command: Command, *, worker: bool) -> None:
    shop.vendor.down = "401"
    shop.enqueue("a", "b")
    shop.run(60)
    for name in ("a", "b"):
        cancel(shop.ledger, shop.world.bag, name)
    assert shown_by(shop, command) == ALL  # it was refused a moment ago
    if worker:
        shop.run(31)
    else:
        shop.time.pass_(31)
    assert shown_by(shop, command) == NONE


def test_the_next_refusal_after_an_idle_breaker_pauses_for_the_shortest_time(shop: Shop, command: Command) -> None:
    shop.vendor.down = "401"
    shop.enqueue("a")
    shop.run(200)
    cancel(shop.ledger, shop.world.bag, "a")
    shop.run(31)
    shop.run(1)
    shop.enqueue("b")
    assert shown_by(shop, command) == ALL
    assert shop.ledger.limits.slots().closed_until == shop.ledger.limits.slots().at - 1 + 5_000


def test_what_running_jobs_are_refused_is_reported_until_their_polls_are_answered(shop: Shop, command: Command) -> None:
    shop.enqueue("a", "b")
    shop.vendor.down = "401"
    shop.run(40)
    assert shown_by(shop, command) == ALL  # nothing waits, and the key is refused all the same
    shop.vendor.down = None
    shop.run_until(lambda: shop.all_done("a", "b"))
    shop.time.pass_(31)
    assert shown_by(shop, command) == NONE


def test_polls_of_one_job_that_are_refused_while_others_are_answered_are_reported_by_none(
    shop: Shop, command: Command
) -> None:
    shop.vendor.polls_refused.add("ill")
    shop.vendor.service = 300
    shop.enqueue("ill", "healthy")
    shop.run(45)
    assert {shop.get(name).state for name in ("ill", "healthy")} == {State.RUNNING}
    assert shown_by(shop, command) == NONE


def test_trying_now_submits_one_job_and_the_others_follow(shop: Shop, command: Command) -> None:
    assert command("probe") == "submitting is not paused: there is nothing to try"
    shop.vendor.down = "402"
    shop.enqueue("a", "b", "c")
    shop.run(300)
    shop.vendor.down = None
    assert (shop.ledger.limits.slots().closed_until or 0) > shop.time() + 10_000
    [probe] = json.loads(command("probe", "--json"))["jobs"]
    assert "a job is being submitted already" in command("probe")
    shop.work()
    assert {shop.get(name).state for name in ("a", "b", "c")} == {State.RUNNING}
    assert probe in {"a", "b", "c"}
    assert not shop.ledger.limits.slots().paused


def test_trying_now_reports_why_nothing_can_be_tried(shop: Shop, command: Command) -> None:
    shop.vendor.down = "402"
    shop.enqueue("a")
    shop.ledger.limits.set_slots(0)
    assert "no slot is free" in command("probe")
    shop.ledger.limits.set_slots(None)
    cancel(shop.ledger, shop.world.bag, "a")
    assert "nothing waits" in command("probe")


def test_trying_now_helps_a_job_that_waits_alone(shop: Shop, command: Command) -> None:
    shop.vendor.down = "402"
    shop.enqueue("a")
    shop.run(300)
    shop.vendor.down = None
    assert "a is submitted now" in command("probe")
    shop.work()
    assert shop.get("a").state is State.RUNNING
