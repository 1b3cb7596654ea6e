"""The crew: this worker's threads, and the short way of a step to one of them.

On Celery's own way a message passes some two hundred functions, and wakes the main thread twice: 0.9 ms of CPU, four or
five times a job, which was half of what a job cost. Our four steps need little of that. So there are two short ways:

- a message as `envelope.py` writes it goes from the socket straight to a thread;
- what this process would mail to itself is not mailed: a step that follows goes on in the same thread, and a look that
  is due, or a slot that has become free, goes to a thread that is idle. What no thread here is free for is mailed.

Deliveries of webhooks have threads of their own, started when needed: a delivery mostly waits for its receiver, and
receivers that hang must not take a thread from a step or from another receiver.

Celery shows them as it shows its own: `inspect`, `stats`, Flower's events, revoked ids. Whatever else lies on a queue
goes Celery's way, and so does everything in other pools than threads. If the process dies, the ledger sends again what
it had, as it does with messages that were read.
"""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from celery.concurrency.thread import TaskPool
from celery.exceptions import Retry as CeleryRetry
from celery.worker import state
from celery.worker.request import Request

from swapline_producer.contract import Step, StepMessage
from swapline_producer.messaging.celery_message import decode_message
from swapline_workers.core.outcomes import Again, Next, Retry
from swapline_workers.dispatch.transport import AT_ONCE, Channel
from swapline_workers.tasks import in_words, perform
from swapline_workers.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_workers.core.outcomes import Outcome
    from swapline_workers.runtime.bootstrap import WorkerServices

log = logging.getLogger(__name__)
received = logging.getLogger("celery.worker.strategy")
ended = logging.getLogger("celery.app.trace")
"""Where Celery says the same of its own tasks, at our DEBUG (see `logs.py`)."""

DELIVERY_THREADS = 256
"""Threads for deliveries, at most. Three quarters of them are for receivers that are new or slow (core/bulkhead.py):
190 may hang and the next one is called at once. A waiting thread takes some 0.1 MB."""


class LocalRequest(Request):
    """A step for a thread, in the shape in which Celery shows what a worker has in hand."""

    def __init__(self, message: StepMessage, queue: str, hostname: str) -> None:
        """Celery's own reads a message; this is what would come out."""
        self.step_message = message
        name, task_id = message.step.task, message.step.task_id(message.job_id)
        shown: dict[str, Any] = {
            "id": task_id,
            "name": name,
            "_type": name,
            "_args": [message.job_id, message.version],
            "_kwargs": {},
            "_argsrepr": message.job_id,
            "_kwargsrepr": "{}",
            "_hostname": hostname,
            "_delivery_info": {"exchange": "", "routing_key": queue, "priority": 0, "redelivered": False},
            "_root_id": task_id,
            "_parent_id": None,
            "_eta": None,
            "_expires": None,
            "acknowledged": True,
        }
        for field, value in shown.items():
            setattr(self, field, value)  # most are slots, which its types do not know

    def begins(self) -> None:
        """A thread has taken it up."""
        self.worker_pid: Any = os.getpid()
        self.time_start = time.time()
        state.task_accepted(self)

    def ends(self, *, well: bool) -> None:
        """It is over."""
        state.task_ready(self, successful=well)


class LocalDispatcher:
    """Gives steps to the threads of this process. May be used from several threads."""

    def __init__(self, services: Callable[[], WorkerServices]) -> None:
        """Nobody is at work yet."""
        self._services = services
        self._here: dict[int, LocalRequest] = {}
        """Requests of the pool's threads, running or queued."""
        self._deliveries: dict[int, LocalRequest] = {}
        """Requests of the delivery threads."""
        self._delivery_threads = ThreadPoolExecutor(DELIVERY_THREADS, "swapline-delivery")
        self._threads = 0
        self._consumer: Any = None
        self._reader_waits = False

    def begin(self, consumer: Any) -> None:
        """Celery's consumer has come to its broker: take what it reads, where its pool is one of threads."""
        channel = consumer.task_consumer.channel
        if not isinstance(consumer.pool, TaskPool) or not isinstance(channel, Channel):
            return
        self._threads = consumer.pool.limit
        self._consumer = consumer
        channel.straight, channel.room = self.take, self.room
        self._services().bulkhead.widen(DELIVERY_THREADS)
        self._services().local_first.try_local = self.offer

    def leave(self) -> None:
        """The consumer has lost its broker, or ends: everything is mailed."""
        self._consumer = None

    def drain(self) -> None:
        """Wait for running deliveries, as Celery's pool does for its threads; drop queued ones, which stay due."""
        self._delivery_threads.shutdown(cancel_futures=True)

    def room(self) -> int:
        """How many messages more may be read: enough that no thread waits for the next one."""
        if self._room() <= 0:
            self._reader_waits = True  # before looking again: who makes room meanwhile wakes the reader
        return max(0, self._room())

    def _room(self) -> int:
        return AT_ONCE + min(self._threads - len(self._here), DELIVERY_THREADS - len(self._deliveries))

    def _is_idle(self, step: Step) -> bool:
        """Whether a thread for this step is free."""
        if step is Step.NOTIFY:
            return len(self._deliveries) < DELIVERY_THREADS
        return len(self._here) < self._threads

    def _requests(self, step: Step) -> dict[int, LocalRequest]:
        return self._deliveries if step is Step.NOTIFY else self._here

    def take(self, queue: str, raw: dict[str, Any]) -> bool:
        """Give a message that was read to a thread; False where it must go Celery's way."""
        message = decode_message(raw)
        return message is not None and self._give(message, queue)

    def offer(self, messages: Sequence[StepMessage]) -> Sequence[StepMessage]:
        """Give tickets to threads that are idle; gives those that must be mailed."""
        return [
            message
            for message in messages
            if not self._is_idle(message.step) or not self._give(message, self._mine(message))
        ]

    def _mine(self, message: StepMessage) -> str | None:
        """The queue that a ticket would be mailed to, where this worker reads it."""
        services, consumer = self._services(), self._consumer
        if consumer is None or services.session.closed:
            return None
        queue = message.step.queue(services.settings.key_prefix)
        return queue if queue in consumer.app.amqp.queues.consume_from else None

    def _give(self, message: StepMessage, queue: str | None) -> bool:
        request = self._request(message, queue)
        if request is None:
            return False
        try:
            pool = self._consumer.pool.executor
            (self._delivery_threads if message.step is Step.NOTIFY else pool).submit(self._work, request)
        except (RuntimeError, AttributeError):  # the pool, or the consumer, has just ended
            self._over(request, well=False)
            return False
        return True

    def _request(self, message: StepMessage, queue: str | None) -> LocalRequest | None:
        """Take a ticket up; None where it is not for us, or where somebody has revoked it."""
        consumer = self._consumer
        if queue is None or consumer is None:
            return None
        request = LocalRequest(message, queue, consumer.hostname)
        if request.id in state.revoked:
            return None
        self._requests(message.step)[id(request)] = request
        state.task_reserved(request)
        received.info("Task %s[%s] received", request.name, request.id)
        self._tell(
            "task-received",
            request,
            name=request.name,
            args=request.argsrepr,
            kwargs=request.kwargsrepr,
            root_id=request.id,
            parent_id=None,
            retries=message.retries,
            eta=None,
            expires=None,
        )
        return request

    def _work(self, request: LocalRequest | None) -> None:
        """In a thread: this step, and those that follow at once."""
        while request is not None:
            request = self._step(request)
        context.end()

    def _step(self, request: LocalRequest) -> LocalRequest | None:
        request.begins()
        self._tell("task-started", request)
        began, well, follows = time.monotonic(), False, None
        try:
            outcome = perform(
                request.step_message.step, self._services(), request.step_message.job_id, request.step_message.version
            )
            follows = self._following(outcome)
            well = self._ended(request, outcome, time.monotonic() - began)
        except CeleryRetry as error:
            self._retried(request, str(error))
        except Exception as error:
            log.exception("unexpected exception in task %s[%s]; the step will be redelivered", request.name, request.id)
            self._tell("task-failed", request, exception=repr(error), traceback=repr(error))
        finally:
            self._over(request, well=well)
        return follows

    def _following(self, outcome: Outcome) -> LocalRequest | None:
        """What goes on in this thread; what goes on elsewhere is mailed."""
        if not isinstance(outcome, Next) or outcome.wait > 0:
            return None
        message = StepMessage(step=outcome.step, job_id=outcome.job.job_id, version=outcome.job.version)
        if message.step is Step.NOTIFY:
            self._services().local_first.send([message])
            return None
        request = self._request(message, self._mine(message))
        if request is None:
            self._services().local_first.publisher.send([message])
        return request

    def _ended(self, request: LocalRequest, outcome: Outcome, seconds: float) -> bool:
        """Tell how a step ended; whether Celery calls it a success."""
        words = in_words(outcome)
        if isinstance(outcome, Again | Retry):
            self._retried(request, words)
            return False
        ended.info("Task %s[%s] succeeded in %.3fs: %r", request.name, request.id, seconds, words)
        self._tell("task-succeeded", request, result=words, runtime=seconds)
        return True

    def _retried(self, request: LocalRequest, words: str) -> None:
        ended.info("Task %s[%s] retry: %s", request.name, request.id, words)
        self._tell("task-retried", request, exception=words, traceback=words)

    def _over(self, request: LocalRequest, *, well: bool) -> None:
        request.ends(well=well)
        self._requests(request.step_message.step).pop(id(request), None)
        consumer = self._consumer
        if self._reader_waits and consumer is not None:
            self._reader_waits = False
            consumer.hub.call_soon(_poll_again)

    def _tell(self, kind: str, request: LocalRequest, **fields: Any) -> None:
        dispatcher = getattr(self._consumer, "event_dispatcher", None)
        if dispatcher is not None and dispatcher.enabled:
            dispatcher.send(kind, uuid=request.id, **fields)


def _poll_again() -> None:
    """The loop of the main thread asks for room on its every turn; this gives it one."""
