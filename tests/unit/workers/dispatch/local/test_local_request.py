"""A local request has the whole public surface of the one that Celery builds from the same message."""

from __future__ import annotations

import base64
import signal
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from billiard.einfo import ExceptionInfo
from celery import Celery, states
from celery.app.task import Context
from celery.app.trace import TraceInfo
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.functional import noop
from celery.worker import state
from celery.worker.request import Request
from kombu.transport.virtual import Message

from swapline_producer.contract import Step, StepMessage
from swapline_producer.messaging.celery_message import encode_message
from swapline_workers.dispatch.local.request import LocalRequest
from swapline_workers.dispatch.request import StepRequest

MESSAGE = StepMessage(step=Step.POLL, job_id="0" * 32, version=5, retries=3)
QUEUE = "swapline.poll"
PUBLIC = sorted(name for name in dir(Request) if not name.startswith("_"))
VALUES = sorted(name for name in PUBLIC if not callable(getattr(Request, name)) or name == "acknowledged")


class Events:
    """A dispatcher that keeps what it is sent."""

    enabled = True

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, kind: str, **_: Any) -> None:
        self.sent.append(kind)


class Channel:
    """What a kombu message needs of its channel."""

    codecs: dict[str, Any]

    def decode_body(self, body: str, encoding: str) -> bytes:
        assert encoding == "base64"
        return base64.b64decode(body)


@pytest.fixture
def consumer() -> Any:
    app = Celery("any", broker="memory://", set_as_current=False)

    @app.task(name=MESSAGE.step.task, ignore_result=True, shared=False)
    def done(job_id: str, version: int) -> str:
        return f"{job_id} {version}"

    return SimpleNamespace(
        app=app,
        hostname="worker@host",
        event_dispatcher=Events(),
        connection_errors=(OSError,),
        task_consumer=SimpleNamespace(channel=Channel()),
    )


@pytest.fixture
def raw() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(encode_message(MESSAGE, QUEUE))
    found["headers"]["traceparent"] = "00-1-2-01"
    return found


@pytest.fixture
def local(consumer: Any, raw: dict[str, Any]) -> LocalRequest:
    return LocalRequest(MESSAGE, QUEUE, raw, consumer)


@pytest.fixture
def celerys(consumer: Any, raw: dict[str, Any]) -> Request:
    channel: Any = Channel()
    return Request(
        Message(raw, channel=channel),
        app=consumer.app,
        hostname=consumer.hostname,
        eventer=consumer.event_dispatcher,
        task=consumer.app.tasks[MESSAGE.step.task],
        connection_errors=consumer.connection_errors,
    )


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_the_same(local: LocalRequest, celerys: Request, name: str) -> None:
    mine, theirs = getattr(local, name), getattr(celerys, name)
    match name:
        case "acknowledged":
            assert (mine, theirs) == (True, False)  # a message of ours is removed when it is read
        case "message":
            assert (mine.headers, mine.body, mine.payload) == (theirs.headers, theirs.body, theirs.payload)
        case "on_ack" | "on_reject":
            assert mine is noop
        case "request_dict":
            assert mine | {"origin": "", "timelimit": ()} == theirs | {"origin": "", "timelimit": ()}
        case "time_limits":
            assert list(mine) == list(theirs)
        case _:
            assert mine == theirs


@pytest.mark.parametrize("name", ["eventer", "on_reject", "expires", "task_id", "task_name"])
def test_what_can_be_set_can_be_set(local: LocalRequest, name: str) -> None:
    setattr(local, name, None)
    assert getattr(local, name) is None


def test_texts_and_infos_are_the_same(local: LocalRequest, celerys: Request) -> None:
    assert (str(local), local.humaninfo()) == (str(celerys), celerys.humaninfo())
    assert repr(local).replace("LocalRequest", "Request") == repr(celerys)
    for safe in (False, True):
        assert local.info(safe=safe) == celerys.info(safe=safe) | {"acknowledged": True}


def failure(error: Exception, request: Request) -> Any:
    """What Celery's tracer makes of an exception."""
    kind = {Retry: states.RETRY, Ignore: states.IGNORED, Reject: states.REJECTED}.get(type(error), states.FAILURE)
    try:
        raise error
    except type(error):
        if kind in {states.RETRY, states.FAILURE}:
            return TraceInfo(kind, error).handle_error_state(request.task, Context(request.request_dict))
        return ExceptionInfo(internal=True)


def test_its_life_is_shown_as_that_of_any_task(local: LocalRequest, consumer: Any) -> None:
    state.reset_state()
    state.task_reserved(local)
    local.on_accepted(7, 0.0)  # type: ignore[arg-type]  # a number, as Celery passes it
    assert list(state.active_requests) == [local]
    assert vars(local)["worker_pid"] == 7
    local.on_success((0, "'done'", 0.1))
    assert (list(state.active_requests), list(state.reserved_requests)) == ([], [])
    for error in (Retry("later"), ValueError("no"), Ignore(), Reject("no", requeue=False)):
        local.on_failure(failure(error, local), return_ok=True)
    local.on_timeout(soft=True, timeout=1)
    local.on_timeout(soft=False, timeout=1)
    sent = ["task-started", "task-succeeded", "task-retried", "task-failed", "task-failed", "task-failed"]
    assert consumer.event_dispatcher.sent == sent
    state.reset_state()


def test_revoking_terminating_and_canceling_change_nothing(local: LocalRequest, caplog: Any) -> None:
    pool: Any = SimpleNamespace()  # a pool that cannot terminate anything: none is asked
    state.revoked.add(local.id)
    local.terminate(pool)
    local.terminate(pool, signal.SIGKILL)
    local.cancel(pool)
    assert (local.revoked(), local.maybe_expire()) == (False, None)
    assert f"swapline jobs cancel {MESSAGE.job_id}" in caplog.text
    state.revoked.clear()


def test_it_can_be_executed_by_celery_itself(local: LocalRequest) -> None:
    assert local.execute() == f"{MESSAGE.job_id} 5"
    applied: list[Any] = []
    pool: Any = SimpleNamespace(apply_async=lambda *_, **options: applied.append(options))
    local.execute_using_pool(pool)
    assert applied[0]["correlation_id"] == local.id
    local.acknowledge()
    local.reject(requeue=True)
    local.send_event("task-custom")


def test_no_public_name_is_forgotten_here() -> None:
    methods = sorted(set(PUBLIC) - set(VALUES))
    assert methods == [
        "acknowledge", "cancel", "execute", "execute_using_pool", "humaninfo", "info", "maybe_expire", "on_accepted",
        "on_failure", "on_retry", "on_success", "on_timeout", "reject", "revoked", "send_event", "terminate",
    ]  # fmt: skip
    assert issubclass(LocalRequest, StepRequest)
