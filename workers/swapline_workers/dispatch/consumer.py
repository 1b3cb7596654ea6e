"""Celery's consumer, which reconnects within two seconds and survives unreadable messages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.worker.consumer import Consumer as CeleryConsumer

from swapline_workers.dispatch import worker_state
from swapline_workers.dispatch.transport import NO_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

RECONNECT = {"interval_start": 1, "interval_step": 0.5, "interval_max": 2}
"""Seconds between tries; Celery's grow to 32."""


class Consumer(CeleryConsumer):
    """Loaded by name, after an APM agent has patched Celery's tracer."""

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """Return Celery's handler; a message that makes it raise is dropped."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Any) -> None:
            try:
                handle(message)
            except NO_MESSAGE as error:
                log.error("message cannot be read by Celery and was dropped: %s", type(error).__name__)  # noqa: TRY400
                message.ack_log_error(log, self.connection_errors)  # type: ignore[attr-defined]  # it is there

        return handle_or_drop

    @staticmethod
    def while_waiting() -> None:
        """Called every second of an outage; the heartbeat's bootstep replaces it."""

    @staticmethod
    def reading_ended() -> None:
        """Called after the last message; the heartbeat's bootstep replaces it."""

    def on_close(self) -> None:
        """Keep the jobs of messages not begun: Celery forgets them here."""
        worker_state.keep_reserved()
        super().on_close()
        self.reading_ended()

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for the server; return the connection."""
        ensure_connection = conn.ensure_connection

        def every_two_seconds(*args: object, callback: Callable[[], object], **options: object) -> Any:
            def once_a_second() -> None:
                self.while_waiting()
                callback()

            return ensure_connection(*args, callback=once_a_second, **options, **RECONNECT)

        conn.ensure_connection = every_two_seconds
        self.while_waiting()
        return super().ensure_connected(conn)
