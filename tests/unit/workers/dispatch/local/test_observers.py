"""Receivers of Celery's signals see the same whether Celery's tracer runs a step or the local dispatcher does."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery, current_task, signals
from celery.app.trace import build_tracer
from celery.exceptions import Retry

from swapline_producer.contract import Step, StepMessage
from swapline_producer.messaging.celery_message import as_dict
from swapline_workers.dispatch.local import dispatcher
from swapline_workers.dispatch.local.observers import TASK_SIGNALS, is_wrapped
from swapline_workers.dispatch.local.request import LocalRequest

if TYPE_CHECKING:
    from collections.abc import Generator

MESSAGE = StepMessage(step=Step.POLL, job_id="0" * 32, version=5, retries=3)
ENDS = {"done": None, "retried": Retry("in 3 s: not yet"), "failed": ValueError("no"), "ended": SystemExit(1)}
SHOWN = ("id", "task", "args", "kwargs", "retries", "headers", "delivery_info", "hostname", "called_directly", "origin")


def request_that(end: str) -> LocalRequest:
    """Return a request whose task ends so; a receiver has added a header to its message."""
    app = Celery("any", broker="memory://", set_as_current=False)

    @app.task(name=MESSAGE.step.task, ignore_result=True, shared=False)
    def step(_job_id: str, _version: int) -> str:
        error = ENDS[end]
        if error is not None:
            raise error
        return "next: finalize"

    step.__trace__ = build_tracer(step.name, step, app=app)
    raw = as_dict(MESSAGE, "swapline.poll")
    raw["headers"]["traceparent"] = "00-1-2-01"
    events: Any = SimpleNamespace(enabled=True, send=lambda *_, **__: None)
    consumer = SimpleNamespace(app=app, hostname="worker@host", event_dispatcher=events, connection_errors=())
    return LocalRequest(MESSAGE, "swapline.poll", raw, consumer)


@contextmanager
def followed() -> Generator[list[tuple[Any, ...]]]:
    """Yield what receivers of every signal around a task see."""
    seen: list[tuple[Any, ...]] = []

    def receive(signal: Any, sender: Any, **facts: Any) -> None:
        request = facts.get("request") or sender.request
        seen.append(
            (
                signal.name,
                sender.name,
                current_task.name,
                sorted(facts),
                *(facts.get(name) for name in ("task_id", "args", "kwargs", "state", "retval", "result")),
                *(type(facts.get(name)).__mro__[-2:] for name in ("reason", "exception")),
                "traceback" in facts and facts["traceback"] is not None,
                *(getattr(request, name, None) for name in SHOWN if name != "origin"),
                type(request).__mro__[-2],
            )
        )

    for signal in TASK_SIGNALS:
        signal.connect(receive, weak=False)
    try:
        yield seen
    finally:
        for signal in TASK_SIGNALS:
            signal.disconnect(receive)


@pytest.mark.parametrize("end", ENDS)
def test_receivers_see_what_celerys_tracer_would_show(end: str) -> None:
    found = []
    request = request_that(end)
    for run in (
        lambda: request.task.__trace__(request.id, request.args, request.kwargs, request.request_dict),
        lambda: dispatcher._run_step(request),
    ):
        with followed() as seen, pytest.raises(SystemExit) if end == "ended" else nullcontext():
            run()
        found.append(seen)
        assert not current_task
        assert request.task.request.id is None
    assert found[1] == found[0]
    assert [len(found[0]), found[0][0][0], found[0][-1][0]] == [
        2 if end == "ended" else 3,
        "task_prerun",
        "task_postrun",
    ]


def test_a_receiver_that_raises_stops_no_step(caplog: pytest.LogCaptureFixture) -> None:
    def broken(**_: Any) -> None:
        raise ValueError("a handler's mistake")

    for signal in TASK_SIGNALS:
        signal.connect(broken, weak=False)
    try:
        dispatcher._run_step(request_that("done"))
    finally:
        for signal in TASK_SIGNALS:
            signal.disconnect(broken)
    assert len(caplog.records) == 3  # prerun, success, postrun
    assert not signals.task_prerun.receivers


def test_a_wrapped_tracer_is_found() -> None:
    tracer = request_that("done").task.__trace__

    def wrapper(*arguments: Any) -> Any:
        return tracer(*arguments)

    assert (is_wrapped(tracer), is_wrapped(wrapper)) == (False, True)
