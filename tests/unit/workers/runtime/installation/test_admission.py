from __future__ import annotations

import threading

import pytest

from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_workers.runtime.installation.admission import RENEWAL_INTERVAL_S, VALIDITY_S, Admission


class Ledger:
    """Answers with what the test sets, and counts the calls."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.stopped = 0
        self.at = 0.0

    def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self.stopped += 1

    def admission(self) -> Admission:
        return Admission(self.ask, self.stop, monotonic=lambda: self.at)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_an_answer_admits_steps_for_a_minute_and_is_renewed_every_ten_seconds(ledger: Ledger) -> None:
    admission = ledger.admission()
    admission.start()
    for seconds, asked in ((0.0, 1), (RENEWAL_INTERVAL_S - 1, 1), (RENEWAL_INTERVAL_S, 2), (2 * RENEWAL_INTERVAL_S, 3)):
        ledger.at = seconds
        admission.renew()
        assert ledger.asked == asked
    ledger.at += VALIDITY_S - 1
    admission.check()
    assert ledger.asked == 3
    ledger.at += 1
    admission.check()
    assert ledger.asked == 4


def test_without_an_answer_no_step_begins(ledger: Ledger) -> None:
    admission = ledger.admission()
    ledger.error = LedgerUnavailable("away")
    admission.start()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            admission.check()
    ledger.error = None
    admission.check()
    assert (ledger.asked, ledger.stopped) == (4, 0)


def test_a_refusal_at_the_start_is_raised_and_one_later_stops_the_worker_once(ledger: Ledger) -> None:
    ledger.error = WrongOwner("another's")
    with pytest.raises(WrongOwner):
        ledger.admission().start()
    assert ledger.stopped == 0
    ledger.error = None
    admission = ledger.admission()
    admission.start()
    ledger.at, ledger.error = VALIDITY_S, WrongOwner("another's")

    def refused() -> None:
        with pytest.raises(WrongOwner):
            admission.check()

    threads = [threading.Thread(target=refused) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.error = None
    refused()
    assert (ledger.asked, ledger.stopped) == (3, 1)
