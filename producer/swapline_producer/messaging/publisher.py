"""How a ticket becomes a Celery message: the one place that both producers and workers send from.

A message carries a job id and a turn, nothing else: Flower and `inspect` show arguments, and the ledger has the rest.
Nothing is ever sent with an ETA or a countdown: all waiting lives in the ledger.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from kombu import Queue
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from swapline_producer.contract import Step
from swapline_producer.messaging.celery_message import encode_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from swapline_producer.contract import StepMessage
    from swapline_producer.redis_url import RedisServer
    from swapline_producer.settings import ProducerSettings

log = logging.getLogger(__name__)

BATCH = 500
"""Messages in one command: enough to make a round trip cheap, few enough to keep the buffer under a megabyte."""


def queues(prefix: str) -> tuple[Queue, ...]:
    """The four queues, in the order of the story. No exchange: a message is one LPUSH to the list of the same name."""
    return tuple(Queue(step.queue(prefix), exchange="", routing_key=step.queue(prefix)) for step in Step)


def broker_settings(settings: ProducerSettings) -> dict[str, Any]:
    """The Celery settings that producers and workers must agree on."""
    prefix, server = settings.key_prefix, settings.redis
    return {
        "broker_url": server.broker_url,
        "broker_use_ssl": server.tls or False,
        # A server that is away is waited for: nothing is lost meanwhile, because the ledger is the truth.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 5,  # seconds; a host that does not answer in 5 s is down, not slow
        "broker_pool_acquire_timeout": 10,  # seconds; without it a publisher can wait for ever for a connection
        "broker_transport_options": {
            "unacked_key": f"{prefix}.unacked",
            "unacked_index_key": f"{prefix}.unacked_index",
            "unacked_mutex_key": f"{prefix}.unacked_mutex",
            # What a worker has read is not kept in a second place until it is acknowledged: the ledger sends again what
            # a killed worker had, after seconds instead of an hour. That is two round trips less for each message.
            "ack_emulation": False,
            # kombu cuts the name of a fanout channel at its first dot: the prefix must not have one before its end.
            "fanout_prefix": f"/{prefix}-{{db}}.",
            # The workers' transport reads these three; the stock one has no such option, and producers bind nothing.
            "keyprefix_queue": f"{prefix}.binding.%s",
            "keyprefix_binding_permanent": f"{prefix}.binding_permanent.%s",
            "keyprefix_binding_deadlines": f"{prefix}.binding_deadlines",
            "priority_steps": [0],  # priorities live in the ledger's waiting line; one list a queue is all we read
            "socket_timeout": 15,  # seconds; without it a publish on a half-open connection hangs for ever
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 20,
            "retry_on_timeout": False,  # it would replay an LPUSH, and it switches batches off
            **_by_sentinel(server),
        },
        "control_exchange": f"{prefix}.control",
        "event_exchange": f"{prefix}.events",
        "event_queue_prefix": f"{prefix}.events",
        "task_queues": queues(prefix),
        "task_default_queue": Step.SUBMIT.queue(prefix),
        "task_default_exchange": "",
        "task_create_missing_queues": False,  # a typo in a queue's name is an error, not a list without a reader
        "task_serializer": "json",
        "accept_content": ["json"],  # never pickle: a message must not be able to run code
        "result_backend": None,  # results live in the ledger
        "task_ignore_result": True,
        "task_publish_retry": False,  # the due dispatcher publishes again what did not get through
    }


def _by_sentinel(server: RedisServer) -> dict[str, Any]:
    if server.service is None:
        return {}
    # redis-py would ask a dead sentinel three times more, for seconds, before it asks the next one.
    once = Retry(NoBackoff(), 0)
    return {"master_name": server.service, "sentinel_kwargs": {**server.sentinel_options, "retry": once}}


class Publisher(Protocol):
    """Anything that tickets can be given to."""

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Send all; says whether they were taken."""


class CeleryPublisher:
    """Sends tickets. Losing one costs a delay of `rescue_after`, never a job, so a failure is a warning."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        """Send with the ledger's client: a message is one LPUSH to the same server."""
        self._client = client
        self._prefix = prefix

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Send all in one batch; says whether the broker took them."""
        if not messages:
            return True
        try:
            _push(self._client, self._by_queue(messages))
        except RedisError as error:
            log.warning(
                "%d messages were not taken by the broker (%s); the due dispatcher publishes them again",
                len(messages),
                error,
            )
            return False
        return True

    def _by_queue(self, messages: Sequence[StepMessage]) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for message in messages:
            queue = message.step.queue(self._prefix)
            found.setdefault(queue, []).append(encode_message(message, queue))
        return found


def _push(client: redis.Redis, messages: dict[str, list[bytes]]) -> None:
    """Append messages to their lists. Sent twice by a connection that broke, they are stale the second time."""
    for queue, waiting in messages.items():
        for at in range(0, len(waiting), BATCH):
            client.lpush(queue, *waiting[at : at + BATCH])
