"""The vendor's accounts of a world: how settings name them, and what befalls them during the storm."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from swapline_producer.contract import ApiVersion
from swapline_producer.contract.accounts import Limits
from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_producer.ledger.accounts.registry import DEFAULT, Vendor
from swapline_producer.ledger.accounts.workers import WorkerRecord
from swapline_producer.operations.account_settings import AccountSettings, shown
from swapline_workers.adapters.vendor_pool import VendorPool
from swapline_workers.runtime.installation.accounts import NamedAccounts

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from simulation.process import Worker
    from simulation.world import World
    from swapline_producer.operations.account_settings import Accounts
    from swapline_workers.steps.ports import Vendor as VendorPort

NAMES = ("default", "east", "north", "west")
LABELS = ("brand-a", "brand-b")
ADDRESSES = ("https://vendor.example", "https://other.example")
CREDITS = 2
SHOWN_EVERY_S = 10.0
SALT = "5a" * 16
KEY_LEARNED_WITHIN_S = 60.0
"""Seconds within which a worker that lives, and reaches Redis, uses a new key: six tries, of which each may fail."""


@dataclass
class Account:
    """One account: what settings name, and how the vendor treats it now."""

    settings: AccountSettings
    cap: int
    """Jobs that the vendor admits at a time; at least the slots of the settings."""
    valid: set[str] = field(default_factory=set)
    """The keys that the vendor takes."""
    revoked: bool = False
    down: bool = False
    empty: bool = False
    """Whether it is out of credits."""
    pace: float = 1.0
    """How much slower than others it is."""
    drained_at: int | None = None
    """Since when it is drained, by Redis's clock."""
    rotated_at: float = 0.0
    """Since when the file has its newest key."""

    def __post_init__(self) -> None:
        self.valid = {self.key}

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def slots(self) -> int:
        return self.settings.max_in_flight

    @property
    def key(self) -> str:
        """The newest key."""
        return self.settings.key.get_secret_value()

    def may_take(self, version: ApiVersion, pool: str | None) -> bool:
        """Whether a job of this version, pinned to names and labels with commas, or to nothing, may run on it."""
        tokens = {self.name, *self.settings.labels}
        return version in self.settings.api_versions and (not pool or bool(tokens & set(pool.split(","))))

    def of_ledger(self, key: str) -> str:
        """The name of this account's own key `slots`, `limits`, `breaker` or `refused`."""
        return key if self.name == DEFAULT else f"{key}:{self.name}"


def draw_accounts(rng: random.Random, jobs: int) -> dict[str, Account]:
    """One account in half of the worlds, two to four in the others."""
    number = rng.choice((1, 1, 1, 2, 3, 4))
    names = ["default"] if number == 1 else rng.sample(NAMES, number)
    return {name: _draw(name, rng, jobs, first=name == names[0], alone=number == 1) for name in names}


def _draw(name: str, rng: random.Random, jobs: int, *, first: bool, alone: bool) -> Account:
    slots = rng.choice((1, 2, 3, 3, 4)) if alone else rng.choice((1, 2, 3))
    per_day = None if first or rng.random() < 0.7 else CREDITS * max(10, jobs // 3)
    settings = AccountSettings(
        name=name,
        base_url=ADDRESSES[0] if first else rng.choice(ADDRESSES),
        key=SecretStr(f"key-of-{name}"),
        key_header="Authorization",
        max_in_flight=slots,
        submit_rate=rng.choice((0.5, 2.0)) if not alone and rng.random() < 0.15 else None,
        credits_per_day=per_day,
        api_versions=tuple(ApiVersion) if first or rng.random() < 0.7 else (ApiVersion.V6,),
        weight=rng.choice((0.5, 1.0, 1.0, 3.0)),
        labels=tuple(label for label in LABELS if rng.random() < 0.5),
    )
    return Account(settings, slots + rng.choice((0, 0, 1)), pace=1.0 if first else rng.choice((1.0, 1.0, 0.4)))


class Source:
    """The file of the accounts, as one worker sees it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return ((self._world.accounts_changed, 0, 0),)

    def read(self) -> Accounts:
        world = self._world
        return {name: account.settings for name, account in world.accounts.items() if name != world.left_out}


class KnownAccounts:
    """The accounts of one worker: shown to the ledger, and read again after a change, as the worker's own parts do."""

    def __init__(self, worker: Worker, client_of: Callable[[AccountSettings], VendorPort]) -> None:
        self._worker = worker
        self._named = NamedAccounts(Source(worker.world))  # type: ignore[arg-type]  # no setting, no file
        self.pool = VendorPool(self._named.current, client_of)
        self._named.connect(self._show, self.pool.use)
        self._taken: dict[str, str] = {}
        """By account, the key of which the ledger has heard from this worker."""

    def _show(self, accounts: Accounts) -> None:
        worker = self._worker
        about = shown(accounts)
        record = WorkerRecord(
            worker_id=f"{worker.name}.{worker.epoch}",
            host=worker.name,
            pid=worker.epoch,
            started_at=0,
            limits=Limits(rescue_after=worker.rescue_after),
            accounts=about,
        )
        worker.ledger.workers.join_accounts({name: _vendor(one) for name, one in accounts.items()}, record)
        self._taken = {name: one.key.get_secret_value() for name, one in accounts.items()}

    def show(self) -> None:
        """Tell the ledger once. Raises LedgerUnavailable."""
        self._named.check()
        self._show(self._named.current)

    def run(self) -> None:
        """Tell the ledger every ten seconds, as a fibre."""
        world = self._worker.world
        while True:
            try:
                self.show()
            except LedgerUnavailable:
                pass
            except WrongOwner as error:  # it has just begun, and would end with this sentence
                world.troubles.name_again(str(error))
            world.sleep(SHOWN_EVERY_S if world.is_busy() else 3600.0)

    def judge_call(self, name: str, key: str) -> None:
        """A call that begins has the key that the ledger has heard of, and before long the newest one."""
        worker, world = self._worker, self._worker.world
        if (taken := self._taken.get(name, key)) != key:
            world.wrong.append(f"{worker.name} uses {key} for {name}, and has told the ledger of {taken}")
        unknown_for = world.scheduler.now - max(world.accounts[name].rotated_at, worker.able_since())
        if key != world.accounts[name].key and unknown_for > KEY_LEARNED_WITHIN_S:
            world.wrong.append(f"{worker.name} uses {key} for {name}, {unknown_for:.0f} s after it was replaced")


def _vendor(one: AccountSettings) -> Vendor:
    key = hashlib.sha256(one.key.get_secret_value().encode()).hexdigest()[:32]
    return Vendor(one.base_url, simulated=False, key=f"{SALT}:{key}")
