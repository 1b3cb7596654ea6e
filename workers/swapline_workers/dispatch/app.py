"""The Celery app with our worker, remote control and transports."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery

from swapline_workers.dispatch.transport import use_transports
from swapline_workers.settings import Dispatch

if TYPE_CHECKING:
    from swapline_producer.redis_url import RedisServer


class App(Celery):
    """What `-A swapline_workers.entry` loads."""

    control_cls = "swapline_workers.dispatch.control:Control"

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 -- Celery's own name
        """The class of this app's workers."""
        return self.subclass_with_self("swapline_workers.dispatch.worker:Worker")  # type: ignore[arg-type]  # or a name


def create_app(server: RedisServer, dispatch: Dispatch) -> App:
    """Return an app with the broker `server`, not yet connected."""
    if dispatch is Dispatch.CELERY:
        use_transports(server)
        return App("swapline", set_as_current=False)
    from swapline_workers.dispatch.local import channel, quiet_retry  # noqa: PLC0415 -- not loaded by the plain way

    use_transports(server, channel.Transport, channel.SentinelTransport)
    quiet_retry.install()
    return App("swapline", set_as_current=False, events="swapline_workers.dispatch.local.events:Events")
