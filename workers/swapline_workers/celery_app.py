"""The Celery app: each setting with its reason, and the parts that a worker starts and stops."""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING, Any

from celery import bootsteps, signals

from swapline_producer.errors import SettingsError, WrongOwner
from swapline_producer.foreign_text import visible
from swapline_workers.core.log_events import LogEvent
from swapline_workers.dispatch.app import create_app
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.runtime.bootstrap import Builder
from swapline_workers.runtime.heartbeat import HEARTBEAT_INTERVAL_S
from swapline_workers.runtime.memory import return_free_memory, share_one_arena
from swapline_workers.runtime.services import Role
from swapline_workers.settings import Dispatch
from swapline_workers.tasks import register
from swapline_workers.telemetry import context
from swapline_workers.telemetry.logs import as_text, secrets_of, start_logging
from swapline_workers.telemetry.redaction import redactor

if TYPE_CHECKING:
    from celery import Celery

    from swapline_producer.settings import ProducerSettings

log = logging.getLogger(__name__)

THREADS = 16
"""Enough for long status calls and slow receivers at 3 slots; up to 64 MiB of pictures each."""

COLLECTION_THRESHOLD = 20_000
"""New objects between garbage collections: some tens of jobs."""

WORKER_SETTINGS: dict[str, Any] = {
    # Celery's consumer waits up to 32 s between tries to reach a lost server.
    "worker_consumer": "swapline_workers.dispatch.consumer:Consumer",
    "worker_concurrency": THREADS,
    # One message for each thread: a killed worker had fetched few, and it costs nothing (measured).
    "worker_prefetch_multiplier": 1,
    # Acknowledged when begun. A late acknowledgement saves nothing: the ledger sends a killed worker's steps again
    # after 15 s, long before the broker would, and a redelivery would be a stale duplicate.
    "task_acks_late": False,
    "worker_disable_rate_limits": True,  # limits are the ledger's; a rate-limited task would block its prefetch
    # A server that refuses writes (full disk, missing replica) is waited for like one that is unavailable; without this
    # the worker ends with the refused BRPOP.
    "broker_channel_error_retry": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,  # it would cut a paid call
    "worker_enable_prefetch_count_reduction": False,  # needless on Redis after a reconnect, and slow to grow again
    # Flower lives on events. They cost up to 45 % of a saturated worker's main loop, so task events are left out while
    # no monitor is subscribed: see dispatch/local/events.py.
    "worker_send_task_events": True,
    "task_send_sent_event": False,  # a second event for every message; the ledger has that time
    "worker_redirect_stdouts": False,  # nothing here prints
}


def build_app(settings: ProducerSettings, dispatch: Dispatch = Dispatch.LOCAL) -> Celery:
    """Build the app that workers and Flower load, not yet connected."""
    # At DEBUG it writes whole URLs, and those of webhooks and pictures may carry a customer's token.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    app = create_app(settings.redis, dispatch)
    app.conf.update(broker_settings(settings))
    app.conf.update(WORKER_SETTINGS)
    start_logging()
    builder = Builder()
    register(app, builder)
    app.steps["worker"].add(_services_step(builder, dispatch))
    app.steps["consumer"].add(_heartbeat_step(builder))
    if dispatch is Dispatch.LOCAL:
        app.steps["consumer"].add(_local_dispatcher_step(builder))
    return app


def _services_step(builder: Builder, dispatch: Dispatch) -> type[bootsteps.StartStopStep]:
    """Return what checks the settings, then starts and stops the services.

    They are drained before Celery leaves the broker, and stopped after the pool's threads.
    """

    class ServicesStep(bootsteps.StartStopStep):
        """Starts and stops the services with the worker."""

        requires = ("celery.worker.components:Pool",)

        def __init__(self, worker: Any, **options: object) -> None:
            super().__init__(worker, **options)
            share_one_arena()
            _check_settings(worker, builder)
            if dispatch is Dispatch.CELERY or not worker.has_threads:
                signals.task_postrun.connect(_end_context, weak=False)
            if worker.has_processes:
                signals.worker_process_init.connect(worker.ignore_stop_signals, weak=False)

        def start(self, worker: Any) -> None:
            services = builder()
            services.set_concurrency(int(worker.concurrency), worker.app.amqp.queues.consume_from)
            # weak=False: Celery forgets a receiver without other references.
            signals.worker_shutting_down.connect(_drain, weak=False)
            signals.worker_shutdown.connect(lambda **_: services.stop(), weak=False)
            try:
                services.start(Role.PARENT if worker.has_processes else Role.WHOLE)
            except WrongOwner as error:
                sys.stderr.write(f"swapline: this worker may not work here.\n{visible(error)}\n")
                raise SystemExit(1) from None
            log.info(
                "worker started: pool %s, concurrency %d, dispatch %s",
                *(worker.pool_name, worker.concurrency, dispatch),
                extra={"event_name": LogEvent.WORKER_STARTED},
            )
            _collect_seldom()
            return_free_memory()

        def stop(self, _worker: Any) -> None:
            builder().drain()

    def _drain(how: str = "Warm", **_: object) -> None:
        builder().drain(process_ends=True, at_once=how == "Cold")

    return ServicesStep


def _check_settings(worker: Any, builder: Builder) -> None:
    """End where settings are missing; keep secrets out of what the worker logs and answers."""
    try:
        settings = builder().settings
    except SettingsError as error:
        sys.exit(f"swapline: this worker cannot start.\n{visible(error, lines=True)}")
    if not as_text(settings, is_terminal=sys.stderr.isatty()):
        worker.log_messages()
    worker.app.control.mailbox.clean = redactor(secrets_of(settings))


def _collect_seldom() -> None:
    """Collect garbage seldom: Celery's default rhythm took a twentieth of a worker's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)


def _end_context(**_: object) -> None:
    context.end()


def _heartbeat_step(builder: Builder) -> type[bootsteps.StartStopStep]:
    """Show once a second that the main thread reads messages."""

    class HeartbeatStep(bootsteps.StartStopStep):
        """Calls the heartbeat from the main thread."""

        def __init__(self, consumer: Any, **options: object) -> None:
            super().__init__(consumer, **options)
            consumer.while_waiting = builder().heartbeat.waits
            consumer.reading_ended = builder().shutdown.reading_ended

        def register_with_event_loop(self, _consumer: Any, hub: Any) -> None:
            """Register when the loop starts; Celery removes the timer when it ends."""
            hub.call_repeatedly(HEARTBEAT_INTERVAL_S, builder().heartbeat.reads)

    return HeartbeatStep


def _local_dispatcher_step(builder: Builder) -> type[bootsteps.StartStopStep]:
    from swapline_workers.dispatch.local.dispatcher import LocalDispatcher  # noqa: PLC0415 -- not loaded by the plain way

    local_dispatcher = LocalDispatcher(builder)

    class LocalDispatcherStep(bootsteps.StartStopStep):
        """Connects the local dispatcher to the consumer."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, consumer: Any, **options: object) -> None:
            super().__init__(consumer, **options)
            builder().local_dispatcher = local_dispatcher

        def start(self, consumer: Any) -> None:
            local_dispatcher.connect(consumer)

        def stop(self, _consumer: Any) -> None:
            local_dispatcher.disconnect()

    return LocalDispatcherStep
