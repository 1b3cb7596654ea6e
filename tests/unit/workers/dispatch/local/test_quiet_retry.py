"""A retry is recorded by its text, everything else with its traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery import Celery
from celery.app import trace
from celery.exceptions import Retry

from swapline_workers.dispatch.local.quiet_retry import QuietRetryInfo, install

if TYPE_CHECKING:
    import pytest


def record_of(kind: Any, error: Exception) -> Any:
    try:
        raise error  # noqa: TRY301 -- raised to be caught
    except Exception:  # noqa: BLE001 -- whatever it is
        return kind(sys.exc_info())


def test_a_retry_reports_why_and_keeps_no_frames() -> None:
    quiet = record_of(QuietRetryInfo, Retry("in 2 s"))
    assert (quiet.type, quiet.traceback, quiet.tb) == (Retry, str(Retry("in 2 s")), None)
    assert str(quiet.exception.exc) == str(record_of(ExceptionInfo, Retry("in 2 s")).exception.exc)


def test_an_error_keeps_its_traceback() -> None:
    assert "ValueError: no" in record_of(QuietRetryInfo, ValueError("no")).traceback
    assert record_of(QuietRetryInfo, ValueError("no")).tb is not None


def test_a_task_that_polls_again_ends_in_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ExceptionInfo", ExceptionInfo)
    install()
    app = Celery("any", broker="memory://", set_as_current=False)

    @app.task(name="poll")
    def poll() -> None:
        raise Retry("in 2 s")

    result = poll.apply()
    assert (result.state, "in 2 s" in str(result.traceback)) == ("RETRY", True)
