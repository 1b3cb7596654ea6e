"""Run steps on the threads of this worker: Celery's own way takes half of a job's CPU.

A message goes from the socket to a thread; a step that follows continues there. A due poll, or a job with a new slot,
goes to an idle thread, or is published. Deliveries have threads of their own: receivers may hang.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.concurrency.thread import TaskPool
from celery.exceptions import Retry
from celery.utils.saferepr import saferepr
from celery.worker import state
from kombu.utils.encoding import safe_repr

from swapline_producer.contract import Step
from swapline_producer.messaging import publish_signals
from swapline_producer.messaging.celery_message import decode_message
from swapline_workers.dispatch.local.channel import FETCH_LIMIT, Channel
from swapline_workers.dispatch.local.observers import is_wrapped, observer_of
from swapline_workers.dispatch.local.request import LocalRequest
from swapline_workers.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import StepMessage
    from swapline_workers.runtime.services import WorkerServices

received_log = logging.getLogger("celery.worker.strategy")
trace_log = logging.getLogger("celery.app.trace")
"""Celery's logger of the same two lines."""


DELIVERY_THREADS = 256
"""Threads for deliveries, three quarters of them for new or slow receivers. 0.1 MB each."""


class _Thread(threading.local):
    request: LocalRequest | None = None
    follows: LocalRequest | None = None


class LocalDispatcher:
    """Runs steps on threads. Thread-safe."""

    def __init__(self, services: Callable[[], WorkerServices]) -> None:
        """Run nothing before `connect`."""
        self._services = services
        self._pool_requests: dict[int, LocalRequest] = {}
        self._deliveries: dict[int, LocalRequest] = {}
        self._delivery_threads = ThreadPoolExecutor(DELIVERY_THREADS, "swapline-delivery")
        self._threads = 0
        self._consumer: Any = None
        self._thread = _Thread()
        self._reader_waits = False

    def start(self) -> None:
        """Wait for a consumer: see `connect`."""

    def drain(self) -> None:
        """Go on: the draining session starts no further step here."""

    def stop(self) -> None:
        """Wait for running deliveries; drop queued ones, which stay due."""
        self._delivery_threads.shutdown(cancel_futures=True)

    def connect(self, consumer: Any) -> None:
        """Take the messages of a consumer whose pool has threads."""
        channel = consumer.task_consumer.channel
        if not isinstance(consumer.pool, TaskPool) or not isinstance(channel, Channel):
            return
        self._threads = consumer.pool.limit
        self._consumer = consumer
        channel.handle_message, channel.free_capacity = self.handle_message, self.free_capacity
        self._services().bulkhead.widen(DELIVERY_THREADS)
        self._services().local_first.try_local = self.try_run_local

    def disconnect(self) -> None:
        """Publish every step from now on."""
        self._consumer = None

    def free_capacity(self) -> int:
        """Return the number of messages that may still be read."""
        if self._room() <= 0:
            self._reader_waits = True  # before counting again: a thread that ends meanwhile wakes the reader
        return max(0, self._room())

    def _room(self) -> int:
        return FETCH_LIMIT + min(self._threads - len(self._pool_requests), DELIVERY_THREADS - len(self._deliveries))

    def _has_idle_thread(self, step: Step) -> bool:
        if step is Step.NOTIFY:
            return len(self._deliveries) < DELIVERY_THREADS
        return len(self._pool_requests) < self._threads

    def _requests(self, step: Step) -> dict[int, LocalRequest]:
        return self._deliveries if step is Step.NOTIFY else self._pool_requests

    def handle_message(self, queue: str, raw: dict[str, Any]) -> bool:
        """Run a message on a thread; False where Celery must."""
        message = decode_message(raw)
        return message is not None and self._submit(message, queue, raw)

    def try_run_local(self, messages: Sequence[StepMessage]) -> Sequence[StepMessage]:
        """Run messages here where possible; return the others."""
        return [message for message in messages if not self._try_run(message)]

    def _try_run(self, message: StepMessage) -> bool:
        queue, current = self._own_queue(message), self._thread.request
        if queue is None:
            return False
        if current is not None and self._thread.follows is None and _follows(message, current.step_message):
            self._thread.follows = self._reserve(message, queue, _announce(message, queue))
            return self._thread.follows is not None
        return self._has_idle_thread(message.step) and self._submit(message, queue, _announce(message, queue))

    def _own_queue(self, message: StepMessage) -> str | None:
        services, consumer = self._services(), self._consumer
        if consumer is None or services.session.leases.draining:
            return None
        queue = message.step.queue(services.settings.key_prefix)
        return queue if queue in consumer.app.amqp.queues.consume_from else None

    def _submit(self, message: StepMessage, queue: str, raw: dict[str, Any] | None) -> bool:
        request = self._reserve(message, queue, raw)
        if request is None:
            return False
        try:
            pool = self._consumer.pool.executor
            (self._delivery_threads if message.step is Step.NOTIFY else pool).submit(self._run_job, request)
        except (RuntimeError, AttributeError):  # the pool, or the consumer, has just ended
            self._finish(request)
            return False
        return True

    def _reserve(self, message: StepMessage, queue: str, raw: dict[str, Any] | None) -> LocalRequest | None:
        """Show a message as received and reserved; None after the consumer's end."""
        consumer = self._consumer
        if consumer is None:
            return None
        request = LocalRequest(message, queue, raw, consumer)
        self._requests(message.step)[id(request)] = request
        if received_log.isEnabledFor(logging.INFO):
            received_log.info("Task %s[%s] received", request.name, request.id)
        if signals.task_received.receivers:
            signals.task_received.send(sender=consumer, request=request)
        request.send_event(
            "task-received",
            name=request.name,
            args=request.argsrepr,
            kwargs=request.kwargsrepr,
            root_id=request.root_id,
            parent_id=None,
            retries=message.retries,
            eta=None,
            expires=None,
        )
        state.task_reserved(request)
        return request

    def _run_job(self, first: LocalRequest) -> None:
        request: LocalRequest | None = first
        while request is not None:
            self._thread.request, self._thread.follows = request, None
            try:
                _run(request)
            finally:
                self._finish(request)
                request = self._thread.follows
        self._thread.request = None

    def _finish(self, request: LocalRequest) -> None:
        state.task_ready(request)
        self._requests(request.step_message.step).pop(id(request), None)
        consumer = self._consumer
        if self._reader_waits and consumer is not None:
            self._reader_waits = False
            consumer.hub.call_soon(_wake_reader)


def _follows(message: StepMessage, current: StepMessage) -> bool:
    """Whether a step of the same job, but a delivery, continues in this thread."""
    return message.job_id == current.job_id and message.step is not Step.NOTIFY


def _announce(message: StepMessage, queue: str) -> dict[str, Any] | None:
    """Send a publication's signals where observed; return the message with their headers."""
    if not publish_signals.is_observed():
        return None
    observed = publish_signals.ObservedMessage(message, queue)
    observed.published()
    return observed.raw


def _run(request: LocalRequest) -> None:
    request.on_accepted(os.getpid(), time.monotonic())  # type: ignore[arg-type]  # a number, as Celery passes it
    try:
        tracer = request.task.__trace__
        if is_wrapped(tracer):
            retval, info, runtime, text = tracer(request.id, request.args, request.kwargs, request.request_dict)
            request.on_success((1, retval, runtime) if info else (0, text, runtime))
        else:
            _run_step(request)
    finally:
        context.end()


def _run_step(request: LocalRequest) -> None:
    started = time.monotonic()
    with observer_of(request) as observer:
        try:
            result = request.task.run(*request.args)
        except Retry as error:
            observer.retried(error)
            _log("retry: %s", request, error)
            end = partial(request.send_event, "task-retried", exception=safe_repr(error), traceback=str(error))
        except Exception as error:  # noqa: BLE001 -- Celery logs and reports it as it does every task's
            end = partial(request.on_failure, observer.failed(error), return_ok=True)
        else:
            runtime, text = time.monotonic() - started, saferepr(result)
            observer.succeeded(result, runtime)
            _log("succeeded in %.3fs: %s", request, runtime, text)
            end = partial(request.on_success, (0, text, runtime))
    end()


def _log(text: str, request: LocalRequest, *values: object) -> None:
    if trace_log.isEnabledFor(logging.INFO):
        trace_log.info(f"Task %s[%s] {text}", request.name, request.id, *values)


def _wake_reader() -> None:
    """Do nothing: the main thread reads the free capacity itself."""
