"""Broker, vendor, store and receivers, as one process reaches them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simulation.links import Link
from support.jobs.fakes import FakeAnswer, FakeReply, FakeStatusReply
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage.keys import RESULTS
from swapline_workers import errors

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from simulation.process import Process, Worker
    from simulation.world import World
    from swapline_producer.contract import ApiVersion, BatchEvent, JobSpec, StepMessage, SwapEvent
    from swapline_producer.operations.account_settings import AccountSettings
    from swapline_producer.storage import StoredObject

SLOWEST_DELETION_S = 2.0
"""Of many objects; so that uploads and new jobs come meanwhile."""
SLOWEST_LISTING_S = 20.0
"""Of all results; for the same reason."""


class SimBroker:
    """Publishes steps: each message may be lost, late, or come twice."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._link = Link(world, process, "broker", ConnectionError, ConnectionError)

    def send(self, messages: Sequence[StepMessage]) -> bool:
        if not messages:
            return True
        try:
            self._link.call("publish", lambda: self._world.publish(messages))
        except ConnectionError:
            return False
        return True


class SimVendor:
    """The vendor as one process reaches it with the key of one account."""

    def __init__(self, world: World, worker: Worker, account: AccountSettings) -> None:
        self._world, self._worker, self._account = world, worker, account.name
        self._key = account.key.get_secret_value()
        self._link = Link(world, worker, "vendor", errors.Unclear, errors.NotSent)

    def submit(self, spec: JobSpec, image: str) -> FakeReply:
        fibre = self._world.scheduler.current()
        assert fibre is not None
        assert fibre.working is not None
        job_id = fibre.working
        self._worker.known.judge_call(self._account, self._key)
        self._world.orders[spec.metadata["name"]].check(image)
        self._world.happens("vendor", job_id)
        try:
            reply: FakeReply = self._link.call("submit", lambda: self._world.vendor.submit(self._key, job_id))
        except errors.VendorError:  # a worker that stood still may find the job HELD; a refusal does not end a hold
            if job_id in self._world.passing:
                self._world.excused.add(job_id)
            raise
        finally:
            fibre.answered = True
        return reply

    @contextmanager
    def poll(self, vendor_job_id: str, version: ApiVersion) -> Generator[FakeStatusReply]:
        assert version
        self._worker.known.judge_call(self._account, self._key)
        yield self._link.call("poll", lambda: self._world.vendor.poll(self._key, vendor_job_id))


class SimStorage:
    """The store as one process reaches it."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._objects = world, world.objects
        self._link = Link(world, process, "store", StorageUnavailable, StorageUnavailable)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        assert content_type
        self._world.happens("store", key.rpartition("/")[0].rpartition("/")[2])
        self._link.call(f"put {key[-20:]}", lambda: self._objects.put(key, data, content_type))

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        assert content_type
        wrote: bool = self._link.call("put once", lambda: self._objects.put_once(key, data, content_type))
        return wrote

    def get(self, key: str) -> bytes:
        data: bytes = self._link.call("get", lambda: self._objects.get(key))
        return data

    def head(self, key: str) -> int | None:
        size: int | None = self._link.call("head", lambda: self._objects.head(key))
        return size

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)

        def do() -> None:
            self._world.sleep(self._world.rng.random() * SLOWEST_DELETION_S)
            self._objects.delete(wanted)

        self._link.call("delete", do)

    def list(self, prefix: str = "", **more: Any) -> Iterator[StoredObject]:
        def do() -> list[StoredObject]:
            if prefix == RESULTS:
                self._world.uploads.searched()
                self._world.sleep(self._world.rng.random() ** 2 * SLOWEST_LISTING_S)
            return [*self._objects.list(prefix, **more)]

        found: list[StoredObject] = self._link.call("list", do)
        return iter(found)

    def url(self, key: str, life: float) -> str:
        assert life > 0
        return f"https://store.example/{key}"


class SimWebhooks:
    """The receivers as one process reaches them."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._link = Link(world, process, "webhook", errors.WebhookFailed, errors.WebhookFailed)

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> FakeAnswer:
        assert url
        status: int = self._link.call(
            f"deliver {event.type}", lambda: self._world.receiver.receive(tenant, webhook_id, event)
        )
        return FakeAnswer(status)
