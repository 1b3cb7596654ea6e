from __future__ import annotations

import pytest

from support.jobs.fakes import job
from swapline_producer.errors import JobNotFound, LedgerSettling, LedgerUnavailable
from swapline_producer.ledger.servers import ATTEMPT_DELAY_ON_NEW_SERVER_S
from swapline_workers.runtime.due_dispatcher import CLAIM_DELAY_AFTER_OUTAGE_S
from swapline_workers.runtime.session import outage as outage_module
from swapline_workers.runtime.session.outage import OutageRetry


class Ledger:
    """Answers after a number of failures."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def ask(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise LedgerUnavailable("away")
        return "answer"


def test_a_call_is_repeated_until_the_ledger_answers_and_counted_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    unwritten: list[int] = []
    retry = OutageRetry(lambda _: unwritten.append(retry.unwritten))
    assert retry.until_answered(Ledger(3).ask, job(), {}) == "answer"
    assert (unwritten, retry.unwritten) == ([1, 1, 1], 0)
    assert [line.message for line in caplog.records] == [
        f"the ledger is away; the result of job {'0' * 32} is kept and offered again"
    ]


def test_with_a_try_that_fails_within_a_second_the_next_comes_before_claims_begin() -> None:
    """A due dispatcher would send a job again whose attempt the ledger forgot."""
    pauses: list[float] = []
    OutageRetry(pauses.append).until_answered(Ledger(12).ask, job(), {})
    assert 0 < pauses[0] <= 0.1 < pauses[-1]
    assert 1.0 + max(pauses) < min(CLAIM_DELAY_AFTER_OUTAGE_S, ATTEMPT_DELAY_ON_NEW_SERVER_S)


def test_an_attempt_is_made_again_when_the_server_has_settled() -> None:
    pauses: list[float] = []
    answers = iter([LedgerSettling(1.2), LedgerSettling(0.1), None])

    def ask() -> str:
        if error := next(answers):
            raise error
        return "written"

    assert OutageRetry(pauses.append).once_settled(ask) == "written"
    assert pauses == [1.2, 0.1]


def test_a_ledger_that_is_away_is_not_waited_for_by_an_attempt() -> None:
    with pytest.raises(LedgerUnavailable):
        OutageRetry(lambda _: None).once_settled(Ledger(1).ask)


def test_after_the_limit_the_result_is_logged_and_left_to_the_rescue(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_module, "OUTAGE_LIMIT_S", 0.0)
    with pytest.raises(LedgerUnavailable):
        OutageRetry(lambda _: None).until_answered(Ledger(9).ask, job(), {"vendor_job_id": "v-1"})
    assert "v-1" in caplog.text


def test_what_is_no_outage_is_raised_at_once() -> None:
    def ask() -> None:
        raise JobNotFound("gone")

    with pytest.raises(JobNotFound):
        OutageRetry(lambda _: None).until_answered(ask, job(), {})
