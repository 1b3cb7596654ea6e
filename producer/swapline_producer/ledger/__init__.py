"""Every job's record in Redis: the truth. The only place that knows a key's name.

A job changes only by `advance`, one Lua compare-and-set on (state, turn) that writes the fields, moves the job's
entry in `due`, hands free slots on, logs and counts: one round trip. A lost race is a normal answer, not an error.
The key layout is written at the top of `lua/shared.lua`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from swapline_producer.ledger.accepting import Accepting, Wish
from swapline_producer.ledger.keeping import Keeping
from swapline_producer.ledger.limits import Limiting
from swapline_producer.ledger.looks import Looks
from swapline_producer.ledger.moves import Moves, new_token
from swapline_producer.ledger.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.settings import ProducerSettings

__all__ = ["Accepting", "Ledger", "Wish", "connect", "ledger_of", "new_token"]

MOVES = ("accept", "open", "line_up", "advance", "claim", "renew", "give_back", "cancel", "front")
KEEPS = ("hold", "take", "confirm", "purge")


def connect(url: str, *, timeout: float = 10.0) -> redis.Redis:
    """Open a client for `redis://`, `rediss://` or `unix://`; no connection is made yet.

    `timeout` seconds bound every command. Commands are tried again twice after a broken connection: reads and Lua
    moves alike may be repeated, because each move recognises its own repetition.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=5.0,  # a host that does not answer in 5 s is down, not slow
        health_check_interval=30,  # finds half-open connections that a firewall forgot
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), retries=2),
    )


class Ledger(Accepting, Moves, Looks, Limiting, Waiting, Keeping):
    """The jobs of one installation.

    `clock` gives milliseconds for tests; without it the server's own clock is used, so that workers' clocks may differ.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str = "swapline",
        *,
        keep: float = 30 * 86_400.0,
        spare: float = 86_400.0,
        keep_results: float | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Keep finished records for `keep` seconds, inputs nobody reads for `spare`, results for `keep_results`."""
        super().__init__(
            client, prefix, (*MOVES, *KEEPS), keep=keep, spare=spare, keep_results=keep_results, clock=clock
        )


def ledger_of(settings: ProducerSettings) -> Ledger:
    """The ledger that settings name; nothing is connected before it is used."""
    return Ledger(
        connect(settings.redis_url),
        settings.key_prefix,
        keep=settings.job_ttl,
        spare=settings.input_ttl,
        keep_results=settings.result_ttl,
    )
