"""The Celery app of an installation, for tests that ask workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from swapline_producer import ProducerSettings
from swapline_workers.celery_app import build_app

if TYPE_CHECKING:
    from collections.abc import Generator

    from celery import Celery

    from support.programs.installation import Installation


@contextmanager
def celery_of(installation: Installation) -> Generator[Celery]:
    """Open the app with which `celery inspect` and Flower ask the workers of an installation."""
    app = build_app(ProducerSettings(redis_url=installation.valkey.url, key_prefix=installation.prefix))
    yield app
    app.close()


def answer(app: Celery, command: str, **arguments: Any) -> Any:
    """Ask the only worker until it answers: one that has just started may not have subscribed."""
    for _ in range(10):
        replies = app.control.broadcast(command, arguments=arguments, reply=True, limit=1, timeout=5)
        if replies:
            [found] = replies[0].values()
            return found
    raise AssertionError(f"no answer to {command}")
