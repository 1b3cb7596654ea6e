"""Celery's settings of the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import Queue

from swapline_producer.contract import Step

if TYPE_CHECKING:
    from swapline_producer.redis_url import RedisServer
    from swapline_producer.settings import ProducerSettings


def queues(prefix: str) -> tuple[Queue, ...]:
    """Return each step's queue; a message is one LPUSH to that list."""
    return tuple(Queue(step.queue(prefix), exchange="", routing_key=step.queue(prefix)) for step in Step)


def broker_settings(settings: ProducerSettings) -> dict[str, Any]:
    """Return Celery's settings of the broker."""
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
    return {"master_name": server.service}  # `inspect stats` shows these options: see transport.py for the sentinels
