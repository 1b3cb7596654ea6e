"""Wait for jobs that finish."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import FINISHED, State
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import redis


class MoveFeed:
    """One subscription to many jobs' logs. `receive` belongs to one thread."""

    def __init__(self, pubsub: Any, client: redis.Redis, prefix: str) -> None:
        """Subscribe also to a channel on which other threads wake the reader."""
        self._pubsub, self._client, self._prefix = pubsub, client, prefix
        self._wake = f"{prefix}wake-{secrets.token_hex(8)}"
        self._pending: SimpleQueue[tuple[str, str]] = SimpleQueue()
        pubsub.subscribe(self._wake)

    def add(self, job_id: str) -> None:
        """Subscribe to a job. Raises LedgerUnavailable."""
        self._change("subscribe", job_id)

    def remove(self, job_id: str) -> None:
        """Unsubscribe from a job. Raises LedgerUnavailable."""
        self._change("unsubscribe", job_id)

    def _change(self, how: str, job_id: str) -> None:
        self._pending.put((how, self._prefix + job_id))
        with translated():
            self._client.publish(self._wake, "")

    def receive(self, seconds: float) -> str | None:
        """Wait for a job whose log has grown, or may have."""
        message = self._pubsub.get_message(timeout=seconds)
        while not self._pending.empty():
            how, channel = self._pending.get()
            getattr(self._pubsub, how)(channel)
        if message is None or message["type"] == "unsubscribe" or message["channel"] == self._wake:
            return None
        return str(message["channel"])[len(self._prefix) :]


class Subscriptions(LedgerPart):
    """Notifications of finished jobs."""

    @contextmanager
    def watch(self, job_id: str) -> Generator[Callable[[float], bool]]:
        """Yield a wait of some seconds for a job's end."""
        with self._subscribed("subscribe", self._scripts.key("done", job_id)) as pubsub:
            yield lambda seconds: pubsub.get_message(timeout=seconds) is not None

    @contextmanager
    def watch_all(self) -> Generator[Callable[[float], str | None]]:
        """Yield a wait of some seconds for the next job to end."""
        before = len(self._scripts.key("done", ""))
        with self._subscribed("psubscribe", self._scripts.key("done", "*")) as pubsub:

            def wait(seconds: float) -> str | None:
                message = pubsub.get_message(timeout=seconds)
                return message["channel"][before:] if message else None

            yield wait

    @contextmanager
    def follow(self) -> Generator[MoveFeed]:
        """Yield a feed of many jobs' logs. Raises LedgerUnavailable."""
        client = self._scripts.client
        with translated(), client.pubsub() as pubsub:  # type: ignore[no-untyped-call]  # as below
            yield MoveFeed(pubsub, client, self._scripts.key("moved", ""))

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """Return the states of several jobs; None for an unknown one."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(self._scripts.key("job", job_id), "state")
            return [State(state) if state else None for state in pipe.execute()]

    def finished_since(self, at: int) -> set[str]:
        """Return the jobs finished since a moment (the ledger's milliseconds)."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for state in sorted(FINISHED):
                pipe.zrange(self._scripts.key("state", state), str(at), "+inf", byscore=True)
            return {job_id for found in pipe.execute() for job_id in found}

    @contextmanager
    def _subscribed(self, how: str, channel: str) -> Generator[Any]:
        # redis-py's pubsub() carries no types
        with translated(), self._scripts.client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
            getattr(pubsub, how)(channel)
            pubsub.get_message(timeout=1.0)  # the confirmation of the subscription
            yield pubsub
