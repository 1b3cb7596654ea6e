"""Fixtures of real servers: a Valkey for the whole run, and a key prefix of its own for each test."""

from __future__ import annotations

import secrets
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from swapline_producer.contract import JobSpec, LinkedImage, NewJob
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.requests.new_jobs import fingerprint
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.ledger.accounts.workers import AccountShown, WorkerRecord
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Time:
    """Time that a test moves, in milliseconds."""

    def __init__(self) -> None:
        self.at = 1_000_000_000

    def __call__(self) -> int:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += round(seconds * 1000)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedValkey]:
    """One server for the whole run, in a folder of its own. No test kills it, so it need not wait for the disk."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), appendfsync="everysec") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test uses."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ledger(valkey: EmbeddedValkey, prefix: str, time: Time) -> Generator[Ledger]:
    """An empty ledger with two slots, at a time that the test moves."""
    client = connect(valkey.url)
    built = Ledger(client, prefix, clock=time)
    built.limits.configure(Limits(max_in_flight=2, rescue_after=15))
    yield built
    client.close()


def new_job(job_id: str, *, queue_ttl: float = 100, **values: Any) -> NewJob:
    """A job to be accepted; only what matters to the test is named."""
    base = {"image": LinkedImage(url="https://pictures.example/me.jpg"), "gender": 0, "filter_id": 12}
    replace_failed = values.pop("replace_failed", False)
    spec = JobSpec(**base | values).model_dump(mode="json", exclude_none=True)
    return NewJob(job_id, spec, fingerprint(spec), queue_ttl, run_timeout=50, replace_failed=replace_failed)


def waited_for(happened: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Check until something has happened that sends no signal; fail after `seconds`.

    A check that takes long, because it starts a process or reads many jobs, is made less often.
    """
    pause = threading.Event()
    began = monotonic()
    give_up_at = began + seconds
    while not happened():
        now = monotonic()
        assert now < give_up_at, "it did not happen"
        pause.wait(min(max(0.02, 3 * (now - began)), 0.5))
        began = monotonic()


def with_accounts(ledger: Ledger, worker: str = "w", **accounts: Any) -> None:
    """Register a worker that names these accounts: slots, or (slots, labels), or a whole AccountShown."""
    named = {name: _account(one) for name, one in accounts.items()}
    vendors = {name: Vendor(f"https://{name}.example", simulated=False) for name in named}
    record = WorkerRecord(
        worker_id=worker, host="h", pid=1, started_at=0, limits=Limits(rescue_after=1e6), accounts=named
    )
    ledger.workers.join_accounts(vendors, record)


def _account(one: Any) -> AccountShown:
    if isinstance(one, AccountShown):
        return one
    slots, labels = one if isinstance(one, tuple) else (one, ())
    return AccountShown(limits=Limits(max_in_flight=slots), labels=labels)
