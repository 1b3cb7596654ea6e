"""How the ledger tells of jobs that finish: by notification, and by what can be looked up when one got lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import FINISHED, State
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence


class Subscriptions(LedgerPart):
    """Looks for those who wait."""

    @contextmanager
    def watch(self, job_id: str) -> Generator[Callable[[float], bool]]:
        """Subscribe to a job's end. Gives a function that waits so many seconds and says whether word came."""
        with self._subscribed("subscribe", self._scripts.key("done", job_id)) as pubsub:
            yield lambda seconds: pubsub.get_message(timeout=seconds) is not None

    @contextmanager
    def watch_all(self) -> Generator[Callable[[float], str | None]]:
        """Subscribe to every job's end at once. Gives a function that waits so many seconds for the next one's id."""
        before = len(self._scripts.key("done", ""))
        with self._subscribed("psubscribe", self._scripts.key("done", "*")) as pubsub:

            def heard(seconds: float) -> str | None:
                message = pubsub.get_message(timeout=seconds)
                return message["channel"][before:] if message else None

            yield heard

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """The states of several jobs in one round trip; None for one that is not there."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(self._scripts.key("job", job_id), "state")
            return [State(state) if state else None for state in pipe.execute()]

    def finished_since(self, at: int) -> set[str]:
        """The ids of all jobs that have finished since a moment, in milliseconds by the ledger's clock."""
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for state in sorted(FINISHED):
                pipe.zrange(self._scripts.key("state", state), str(at), "+inf", byscore=True)
            return {job_id for found in pipe.execute() for job_id in found}

    @contextmanager
    def _subscribed(self, how: str, channel: str) -> Generator[Any]:
        # redis-py's pubsub() carries no types
        with translated(), self._scripts.client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
            getattr(pubsub, how)(channel)
            pubsub.get_message(timeout=1.0)  # the server's word that we are subscribed
            yield pubsub
