"""The record of every job, in Redis. No other package knows a key's name (`lua/parts/shared.lua`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from swapline_producer.ledger.accounts.limits import InstallationLimits
from swapline_producer.ledger.accounts.pool import AccountPool
from swapline_producer.ledger.accounts.registry import Accounts
from swapline_producer.ledger.accounts.workers import Workers
from swapline_producer.ledger.jobs.batches import Batches
from swapline_producer.ledger.jobs.intake import Intake
from swapline_producer.ledger.jobs.reader import Jobs
from swapline_producer.ledger.jobs.subscriptions import Subscriptions
from swapline_producer.ledger.jobs.transitions import Transitions, new_token
from swapline_producer.ledger.primary import (
    SentinelPrimaryConnection,
    SentinelPrimaryPool,
    SentinelPrimaryTLSConnection,
    primary_pool,
)
from swapline_producer.ledger.queries.history import History
from swapline_producer.ledger.queries.occupancy import Occupancy
from swapline_producer.ledger.queries.search import JobFilter, Search
from swapline_producer.ledger.queries.stats import Stats
from swapline_producer.ledger.queries.summaries import Summaries
from swapline_producer.ledger.retention import Retention
from swapline_producer.ledger.scripts import LedgerScripts, Spans
from swapline_producer.ledger.tenants.api_keys import ApiKeys
from swapline_producer.ledger.tenants.webhook_secrets import WebhookSecrets
from swapline_producer.ledger.webhooks import FailingWebhooks
from swapline_producer.redis_url import parse_redis_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.settings import ProducerSettings

__all__ = ["JobFilter", "Ledger", "connect", "new_token", "open_ledger"]

MOVES = (
    "accept",
    "open",
    "line_up",
    "advance",
    "claim",
    "renew",
    "release",
    "cancel",
    "next_inputs",
    "snapshot",
    "history",
    "scan",
    "outlines",
    "seal",
    "endpoint_failed",
    "endpoint_recovered",
    "hold",
    "take",
    "confirm",
    "probe_store",
    "purge",
    "join",
    "adopt",
    "admit",
    "place",
    "slots",
    "probe",
    "repool",
)


def connect(url: str, *, timeout: float = 10.0, retries: int = 2) -> redis.Redis:
    """Open a client, not yet connected. Raises ValueError for a URL not as in `redis_url.py`.

    `timeout` in seconds. Repeating commands is safe: each move recognises its repetition.
    """
    server = parse_redis_url(url)
    options: dict[str, Any] = {
        **server.options,
        "decode_responses": True,
        "max_connections": 1000,  # one per thread, and a worker has up to 300; redis-py 8 raises beyond 100
        "socket_timeout": timeout,
        "socket_connect_timeout": min(5.0, timeout),  # a host that does not answer in 5 s is down, not slow
        "health_check_interval": 30,  # finds half-open connections that a firewall forgot
        "retry": Retry(ExponentialBackoff(cap=1.0, base=0.1), retries=retries),
    }
    if server.service is None:
        return redis.Redis.from_pool(primary_pool(**options))
    once = Retry(NoBackoff(), 0)  # the next sentinel knows as much as one that is down
    asked = {**server.sentinel_options, "retry": once}
    # redis-py's Sentinel carries no types
    sentinels = Sentinel(list(server.sentinels), sentinel_kwargs=asked)  # type: ignore[no-untyped-call]
    kind = SentinelPrimaryTLSConnection if options.pop("ssl", False) else SentinelPrimaryConnection
    found: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        server.service, connection_pool_class=SentinelPrimaryPool, connection_class=kind, **options
    )
    return found


class Ledger:
    """The jobs of one installation.

    `clock` returns milliseconds; by default the server's, because machines differ.
    """

    def __init__(  # noqa: PLR0913 -- each is a setting of its own
        self,
        client: redis.Redis,
        prefix: str = "swapline",
        *,
        record_ttl: float = 30 * 86_400.0,
        input_ttl: float = 86_400.0,
        result_ttl: float | None = None,
        input_shown: float = 0.0,
        replicas: int = 0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Keep finished records, unneeded inputs and results for these seconds; None: for ever.

        `input_shown`: inputs of successes. Accepted jobs and attempts count once `replicas` have them.
        """
        self.client = client
        self.prefix = prefix
        spans = Spans(record_ttl, input_ttl, result_ttl, input_shown)
        self.scripts = scripts = LedgerScripts(client, prefix, MOVES, spans=spans, replicas=replicas, clock=clock)
        self.now, self.server = scripts.now, scripts.server
        self.intake = Intake(scripts)
        self.jobs = Jobs(scripts)
        self.transitions = Transitions(scripts)
        self.batches = Batches(scripts)
        self.limits = InstallationLimits(scripts)
        self.accounts = Accounts(scripts)
        self.pool = AccountPool(scripts)
        self.api_keys = ApiKeys(scripts)
        self.workers = Workers(scripts)
        self.webhooks = FailingWebhooks(scripts)
        self.webhook_secrets = WebhookSecrets(scripts)
        self.retention = Retention(scripts)
        self.subscriptions = Subscriptions(scripts)
        self.summaries = Summaries(scripts)
        self.occupancy = Occupancy(scripts)
        self.search = Search(scripts)
        self.stats = Stats(scripts)
        self.history = History(scripts)


def open_ledger(settings: ProducerSettings) -> Ledger:
    """Return the ledger that settings name, not yet connected."""
    return Ledger(
        connect(settings.redis_url),
        settings.key_prefix,
        record_ttl=settings.job_ttl,
        input_ttl=settings.input_ttl,
        result_ttl=settings.result_ttl,
        input_shown=settings.input_shown,
        replicas=settings.redis_replicas,
    )
