"""All examinations, in the order of their dependencies."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from swapline_producer.errors import LedgerUnavailable, SettingsError
from swapline_producer.ledger import Ledger, connect
from swapline_producer.operations.doctor import ledger as of_ledger
from swapline_producer.operations.doctor import redis as of_redis
from swapline_producer.operations.doctor import storage as of_storage
from swapline_producer.operations.doctor import workers as of_workers
from swapline_producer.operations.doctor.findings import Finding, Verdict, examined, fail, ok, unchecked
from swapline_producer.retention.store_owner import check_store
from swapline_producer.settings import ProducerSettings, load
from swapline_producer.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.storage import Storage

GROUP = "swapline.doctor"
"""Entry points that yield findings."""

STORAGE_TIMEOUT = 10.0
"""Seconds, for a kilobyte."""

NOT_HERE = ("account", "vendor", "steps", "flower")


EXAMINED = (
    ("clock", of_ledger.clock),
    ("workers", of_ledger.workers),
    (of_workers.SECRETS, of_workers.webhook_secrets),
    (of_workers.STORE, of_workers.store),
    (of_workers.SHARED, of_workers.shared_settings),
    ("limits", of_ledger.limits),
    ("line", of_ledger.jobs),
)


def rounds(*, flower_url: str | None = None, timeout: float = 10.0) -> Iterator[Finding]:
    """Examine all that is in reach. `timeout`: seconds for one call to Redis or the vendor."""
    try:
        settings = load(ProducerSettings)
    except SettingsError as error:
        for sentence in str(error).splitlines():
            yield fail("settings", sentence, "docs/settings.md has them all")
    else:
        yield from _server(settings, timeout)
        yield from examined(
            "storage",
            lambda: of_storage.examine(
                settings.storage_url,
                lambda url: open_storage(url, timeout=min(timeout, STORAGE_TIMEOUT)),
                lambda storage: _is_ours(settings, storage, timeout),
            ),
        )
    yield from _others(flower_url=flower_url, timeout=timeout)


def _server(settings: ProducerSettings, timeout: float) -> Iterator[Finding]:
    yield ok("producer settings", f"read; keys begin with {settings.key_prefix}:")
    try:
        client = connect(settings.redis_url, timeout=timeout)
    except ValueError as error:
        yield fail("redis", f"SWAPLINE_REDIS_URL cannot be read: {error}", "write it as redis://host:6379/0")
        return
    with client:
        answers = True
        for finding in examined("redis", lambda: of_redis.examine(client, settings.key_prefix)):
            answers &= finding.name != "redis" or finding.verdict is not Verdict.FAIL
            yield finding
        ledger = Ledger(client, settings.key_prefix, record_ttl=settings.job_ttl)
        for name, examine in EXAMINED:
            if answers:
                yield from examined(name, lambda examine=examine: examine(ledger))  # type: ignore[misc]
            else:
                yield unchecked(name, "Redis must be well first")


def _is_ours(settings: ProducerSettings, storage: Storage, timeout: float) -> None:
    """Check that the store is the ledger's, unless that is away: another finding."""
    with suppress(LedgerUnavailable), connect(settings.redis_url, timeout=timeout, retries=0) as client:
        check_store(Ledger(client, settings.key_prefix), storage, dry=True)


def _others(**options: Any) -> Iterator[Finding]:
    points = list(entry_points(group=GROUP))
    for point in points:
        yield from examined(point.name, lambda point=point: point.load()(**options))  # type: ignore[misc]
    if not points:
        for name in NOT_HERE:
            yield unchecked(name, "swapline-workers is not installed here", "run it where the workers run, too")
