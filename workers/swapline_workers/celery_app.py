"""The Celery app: each knob with its reason."""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING, Any

from celery import Celery, bootsteps, signals
from celery.concurrency.prefork import TaskPool
from celery.platforms import EX_FAILURE

from swapline_producer.errors import SettingsError, WrongOwner
from swapline_producer.foreign_text import visible
from swapline_workers.dispatch import quiet_retry as looking_again
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.dispatch.local_dispatcher import LocalDispatcher
from swapline_workers.dispatch.transport import use_ours
from swapline_workers.runtime.bootstrap import Builder
from swapline_workers.runtime.heartbeat import EVERY
from swapline_workers.runtime.memory import return_free_memory, share_one_arena
from swapline_workers.tasks import register
from swapline_workers.telemetry.logs import start_logging

if TYPE_CHECKING:
    from celery.worker import WorkController

    from swapline_producer.settings import ProducerSettings

THREADS = 16
"""Steps at once in one worker process: enough for held status calls and slow receivers at 3 slots, and few enough that
the pictures in hand (up to 64 MiB each) stay within a small machine."""


GARBAGE = 20_000
"""Objects more than before between two looks for garbage: some tens of jobs, a few megabytes at most."""


WORKER_KNOBS: dict[str, Any] = {
    # Celery's own asks for a lost server ever more seldom.
    "worker_consumer": "swapline_workers.dispatch.transport:Consumer",
    # Threads: every step waits for somebody else's machine. Time limits do not exist there; each call has its own.
    "worker_pool": "threads",
    "worker_concurrency": THREADS,
    # One message for each thread: what a killed worker had fetched is little, and costs nothing (measured).
    "worker_prefetch_multiplier": 1,
    # Acknowledged when begun. A late acknowledgement saves nothing here: the ledger sends again after 15 s what a
    # killed worker had in hand, long before the broker would, and a redelivery would only be a stale duplicate.
    "task_acks_late": False,
    "worker_disable_rate_limits": True,  # limits are the ledger's; a rate-limited task would hold its prefetch
    # A server that refuses writes (its disk is full, a replica is missing) is waited for like one that is away; without
    # this the worker dies of the refused BRPOP.
    "broker_channel_error_retry": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,  # it would cut a paid call in the middle
    "worker_enable_prefetch_count_reduction": False,  # needless on Redis after a reconnect, and slow to grow back
    # Events are what Flower lives on. They cost up to 45 % of a worker's main loop when it is saturated, so task events
    # are left out while nobody listens: see listened.py.
    "worker_send_task_events": True,
    "task_send_sent_event": False,  # it would put a second event on every message; the ledger has that time
    "worker_redirect_stdouts": False,  # nothing here prints
}


def build_app(settings: ProducerSettings) -> Celery:
    """Build the app that workers and Flower load. Opens no connection; workers ask for their own settings on start."""
    # At DEBUG it writes whole URLs, and those of webhooks and pictures may carry a customer's token.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    app = Celery("swapline", set_as_current=False, events="swapline_workers.dispatch.events:Events")
    app.conf.update(broker_settings(settings))
    app.conf.update(WORKER_KNOBS)
    use_ours()
    start_logging()
    looking_again.install()
    builder = Builder()
    register(app, builder)
    local_dispatcher = LocalDispatcher(builder)
    app.steps["worker"].add(_services_step(builder, local_dispatcher))
    app.steps["consumer"].add(_heartbeat_step(builder))
    app.steps["consumer"].add(_local_dispatcher_step(local_dispatcher))
    return app


def _services_step(builder: Builder, local_dispatcher: LocalDispatcher) -> type[bootsteps.StartStopStep]:
    """A part of the worker: checks the settings before anything else, opens the house, and closes it in two steps.

    The house begins to close where the signal is caught, before Celery says goodbye to the broker, which may be away;
    it is closed when the pool's threads have ended.
    """

    class ServicesStep(bootsteps.StartStopStep):
        """Opens and closes the house with the worker."""

        requires = ("celery.worker.components:Pool",)

        def __init__(self, worker: WorkController, **options: object) -> None:
            super().__init__(worker, **options)
            share_one_arena()
            try:
                builder()
            except SettingsError as error:
                sys.exit(f"swapline: this worker cannot start.\n{visible(error, lines=True)}")

        def start(self, worker: Any) -> None:
            services = builder()
            services.set_concurrency(int(worker.concurrency), worker.app.amqp.queues.consume_from)
            # weak=False: Celery forgets a signal's receiver that nobody else keeps.
            signals.worker_shutting_down.connect(lambda **_: services.close(process_ends=True), weak=False)
            signals.worker_shutdown.connect(lambda **_: local_dispatcher.drain(), weak=False)
            signals.worker_shutdown.connect(lambda **_: services.end(), weak=False)
            try:
                services.open(threads=worker.concurrency, forks=getattr(worker, "pool_cls", None) is TaskPool)
            except WrongOwner as error:
                sys.stderr.write(f"swapline: this worker may not work here.\n{visible(error)}\n")
                raise SystemExit(EX_FAILURE) from None
            # What was loaded so far stays, and need not be looked through for garbage again; of what comes, most dies
            # by itself. Celery's default rhythm took a twentieth of a worker's time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GARBAGE)
            return_free_memory()

        def stop(self, _worker: WorkController) -> None:
            builder().close()

    return ServicesStep


def _heartbeat_step(builder: Builder) -> type[bootsteps.StartStopStep]:
    """A part of the consumer: the main thread comes by once a second, whether it reads messages or waits."""

    class HeartbeatStep(bootsteps.StartStopStep):
        """Tells the pulse that the main thread lives."""

        def __init__(self, consumer: Any, **options: object) -> None:
            super().__init__(consumer, **options)
            consumer.while_waiting = builder().heartbeat.waits

        def register_with_event_loop(self, _consumer: Any, hub: Any) -> None:
            """Called whenever the loop begins; Celery takes what was registered away again when it ends."""
            hub.call_repeatedly(EVERY, builder().heartbeat.reads)

    return HeartbeatStep


def _local_dispatcher_step(local_dispatcher: LocalDispatcher) -> type[bootsteps.StartStopStep]:
    """A part of the consumer: what it reads goes the short way, as long as it is connected."""

    class LocalDispatcherStep(bootsteps.StartStopStep):
        """Begins and leaves with the consumer."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            local_dispatcher.begin(consumer)

        def stop(self, _consumer: Any) -> None:
            local_dispatcher.leave()

    return LocalDispatcherStep
