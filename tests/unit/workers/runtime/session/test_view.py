from __future__ import annotations

from support.jobs.fakes import job
from swapline_producer.contract.answers import Opened
from swapline_workers.runtime.session.view import LedgerView


def test_the_clock_is_the_ledgers_however_this_machines_clock_differs() -> None:
    view = LedgerView()
    view.set_time(5_000_000)
    assert 0 <= view.now() - 5_000_000 < 1_000


def test_the_load_is_that_of_the_last_answer_and_jobs_wait_before_the_first() -> None:
    view = LedgerView()
    assert (view.jobs_wait(), view.in_flight()) == (True, 0)
    view.opened(Opened(job=job(), at=1, waiting=False, in_flight=3))
    assert (view.jobs_wait(), view.in_flight()) == (False, 3)
