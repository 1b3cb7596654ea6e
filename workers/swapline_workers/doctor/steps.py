"""Whether the workers serve all four steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from swapline_producer.contract import Step
from swapline_producer.ledger import Ledger, connect
from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked
from swapline_workers.celery_app import build_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_workers.settings import WorkerSettings

PATIENCE = 1.5
"""Seconds: a busy machine's main thread answers within one."""

NAME = "steps"


def steps(settings: WorkerSettings) -> Iterator[Finding]:
    """Ask all workers which queues they read."""
    if not _broker_answers(settings):
        yield unchecked(NAME, "Redis must be well first")
        return
    known = _known(settings)  # when all of them have answered there is nothing more to wait for
    app = build_app(settings)
    try:
        inspect = app.control.inspect(timeout=PATIENCE, limit=known)
        replies: dict[str, Any] = (inspect.active_queues() or {}) if known else {}
    except (OSError, KombuError) as error:
        yield fail(NAME, f"the broker does not answer: {error}", "see `redis`")
        return
    finally:
        app.close()
    if not replies:
        yield fail(NAME, "no worker answers", "start one: `swapline worker`; a worker that hangs is not heard either")
        return
    read = {queue["name"] for queues in replies.values() for queue in queues}
    missing = [step for step in Step if step.queue(settings.key_prefix) not in read]
    names = ", ".join(sorted(replies))
    if missing:
        found = f"no worker for {', '.join(missing)} (there are {names})"
        yield fail(NAME, found, f"start `swapline worker --step {' --step '.join(missing)}`")
    else:
        yield ok(NAME, f"all four are worked on by {names}")


def _known(settings: WorkerSettings) -> int:
    with connect(settings.redis_url, timeout=PATIENCE) as client:
        return len(Ledger(client, settings.key_prefix, record_ttl=settings.job_ttl).stats.dispatchers())


def _broker_answers(settings: WorkerSettings) -> bool:
    """Whether Redis answers: Celery would wait long."""
    try:
        with connect(settings.redis_url, timeout=PATIENCE) as client:
            return bool(client.ping())
    except (RedisError, OSError, ValueError):
        return False
