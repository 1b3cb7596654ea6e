"""Publication of step messages: one LPUSH, without Celery, and without ETA: all waiting lives in the ledger."""

from __future__ import annotations

import logging
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from redis.exceptions import RedisError

from swapline_producer.messaging.celery_message import encode_message
from swapline_producer.messaging.publish_signals import ObservedMessage, is_observed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from swapline_producer.contract import StepMessage

log = logging.getLogger(__name__)

BATCH = 500
"""Messages in one command, under a megabyte."""


class Publisher(Protocol):
    """Publishes step messages."""

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Publish all; return whether they were taken."""


class CeleryPublisher:
    """A failure is a warning: a lost message costs a delay of `rescue_after`, never a job."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        """The ledger's client: the broker is the same server."""
        self._client = client
        self._prefix = prefix

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Publish all in one batch; return whether the broker took them."""
        if not messages:
            return True
        observed = self._observe(messages) if is_observed() else []
        try:
            _push(self._client, self._by_queue(messages, [each.raw for each in observed]))
        except RedisError as error:
            log.warning(
                "%d messages were not taken by the broker (%s); the due dispatcher publishes them again",
                len(messages),
                error,
            )
            return False
        finally:
            for each in observed:
                each.published()
        return True

    def _observe(self, messages: Sequence[StepMessage]) -> list[ObservedMessage]:
        return [ObservedMessage(message, message.step.queue(self._prefix)) for message in messages]

    def _by_queue(self, messages: Sequence[StepMessage], observed: Sequence[dict[str, Any]]) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for message, raw in zip_longest(messages, observed):
            queue = message.step.queue(self._prefix)
            encoded = encode_message(message, queue) if raw is None else orjson.dumps(raw)
            found.setdefault(queue, []).append(encoded)
        return found


def _push(client: redis.Redis, messages: dict[str, list[bytes]]) -> None:
    """Append messages to their lists. A second sending by a broken connection is stale."""
    for queue, waiting in messages.items():
        for at in range(0, len(waiting), BATCH):
            client.lpush(queue, *waiting[at : at + BATCH])
