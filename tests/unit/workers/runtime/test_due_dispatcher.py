"""How far apart claims are, and what is logged of a ledger that is away."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import waited_for
from swapline_producer.contract.answers import Claimed
from swapline_producer.errors import LedgerUnavailable
from swapline_workers.runtime import due_dispatcher
from swapline_workers.runtime.due_dispatcher import DueDispatcher, claim_interval
from swapline_workers.runtime.session.job_session import JobSession

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize(("in_flight", "seconds"), [(0, 0.02), (500, 0.02), (501, 0.05), (10_000, 0.05)])
def test_claims_are_further_apart_while_hundreds_of_jobs_are_in_flight(in_flight: int, seconds: float) -> None:
    assert claim_interval(in_flight) == seconds


def dispatcher_over(ledger: AwayLedger) -> DueDispatcher:
    session = JobSession(cast("Any", ledger), RecordingPublisher(), schedule_wakeup=lambda _: None)
    return DueDispatcher(cast("Any", ledger), RecordingPublisher(), session=lambda: session, renew_every=5)


class AwayLedger:
    """Answers nothing; or answers, and takes no writes; or works."""

    answers = False
    writes = False
    claims = 0

    @property
    def transitions(self) -> AwayLedger:
        return self

    def renew(self, _jobs: Iterable[tuple[str, int]]) -> int:
        if not self.answers:
            raise LedgerUnavailable("Connection refused.")
        return 0

    def claim(self, *_: object, **__: object) -> Claimed:
        self.claims += 1
        if not self.writes:
            raise LedgerUnavailable("READONLY")
        return Claimed(messages=(), at=0, next_at=None, rescued=0, postponed=0, dispatchers=1, put_off=())


def test_the_ledger_is_back_when_something_could_be_claimed_and_that_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("RECONNECT_DELAY_S", "CLAIM_DELAY_AFTER_OUTAGE_S"):
        monkeypatch.setattr(due_dispatcher, name, 0.001)
    caplog.set_level(logging.INFO)
    ledger = AwayLedger()
    dispatcher = dispatcher_over(ledger)
    dispatcher.start()
    waited_for(lambda: dispatcher.away)
    before = dispatcher.last_tick_at
    waited_for(lambda: dispatcher.last_tick_at > before + 0.1)  # away, as often as it is asked
    ledger.answers = True
    tried = ledger.claims
    waited_for(lambda: ledger.claims > tried + 3)
    assert (dispatcher.away, dispatcher.claimed_at) == (True, 0.0)
    assert [line.message.partition(",")[0] for line in caplog.records] == ["ledger unavailable"]
    ledger.writes = True
    waited_for(lambda: not dispatcher.away)
    dispatcher.stop()
    assert [line.message[:22] for line in caplog.records] == ["ledger unavailable, cl", "ledger available again"]
    assert dispatcher.claimed_at > before


def test_a_ledger_that_is_back_is_left_alone_for_a_while_before_the_first_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(due_dispatcher, "RECONNECT_DELAY_S", 0.001)
    monkeypatch.setattr(due_dispatcher, "CLAIM_DELAY_AFTER_OUTAGE_S", 0.2)
    ledger = AwayLedger()
    dispatcher = dispatcher_over(ledger)
    dispatcher.start()
    waited_for(lambda: dispatcher.away)
    ledger.answers = ledger.writes = True
    before = time.monotonic()
    waited_for(lambda: not dispatcher.away)
    dispatcher.stop()
    assert dispatcher.claimed_at - before >= 0.2
