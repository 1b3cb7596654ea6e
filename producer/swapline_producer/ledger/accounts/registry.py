"""The vendor's accounts that a ledger belongs to; `default` where settings name none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.errors import NotPossible
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = DEFAULT_ACCOUNT

BEFORE_MS = 86_400_000
"""A day for a rolling restart with address and key from before an `adopt`."""

SILENCE_MS = 15_000
"""Silence after which no worker runs: each claims every 5 s."""


class Vendor(NamedTuple):
    """Where paid calls go, and by which key."""

    address: str
    """Base URL, normalised."""
    simulated: bool
    key: str = ""
    """Fingerprint of the key, SALT:HASH; empty where not shown."""

    def __str__(self) -> str:
        return f"the {'simulated ' if self.simulated else ''}vendor at {self.address}"

    @property
    def short_key(self) -> str:
        """The 8 characters that people compare."""
        return self.key[-8:]


class Account(NamedTuple):
    """A ledger's record of an account."""

    name: str
    vendor: Vendor
    since: int
    """UTC milliseconds."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"name": self.name, **self.vendor._asdict(), "key": self.vendor.short_key, "since": self.since}


class Accounts(LedgerPart):
    """The vendor and the store that a ledger is bound to."""

    def get(self, name: str = DEFAULT) -> Account | None:
        """Return an account; None before the first worker has started."""
        with translated():
            found = cast("Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("account", name)))
        return _account(name, found) if "address" in found else None

    def adopt(self, vendor: Vendor, *, account: str = DEFAULT) -> bool:
        """Bind an account to this vendor; return whether that changed anything.

        Raises NotPossible between simulator and vendor while jobs are unfinished or a worker runs.
        """
        limits = {"before_ms": BEFORE_MS, "silence_ms": SILENCE_MS}
        answer = self._scripts.run("adopt", account=account, **vendor._asdict(), **limits)
        if "changed" not in answer:
            raise NotPossible(_obstacle(answer))
        return bool(answer["changed"])

    def installation(self, proposal: str | None = None) -> tuple[str, bool]:
        """Return this installation's name (`proposal` where there is none), and whether a store has it."""
        with translated():
            if proposal is not None:
                self._scripts.client.hsetnx(self._scripts.key("owner"), "name", proposal)
            name, stored = self._scripts.client.hmget(self._scripts.key("owner"), "name", "stored")
        return str(name or ""), stored is not None

    def has_store(self) -> None:
        """Note that a store has this name; others are refused from now on."""
        with translated():
            self._scripts.client.hset(self._scripts.key("owner"), "stored", "1")


def _account(name: str, found: Mapping[str, str]) -> Account:
    vendor = Vendor(found["address"], found["simulated"] == "1", found.get("key", ""))
    return Account(name, vendor, int(found["since"]))


def left_out(account: str, jobs: int) -> str:
    """Say why settings may not leave an account out."""
    return (
        f"The account {account!r} still has {jobs} jobs and is not in SWAPLINE_ACCOUNTS: name it again,"
        f" run `swapline accounts drain {account}`, and remove it when `swapline accounts` shows no jobs of it."
    )


def left_out_pin(account: str, tenant: str) -> str:
    """Say why settings may not leave an account out to which a tenant is pinned."""
    return (
        f"The tenant {tenant!r} is pinned to the account {account!r}, which is not in SWAPLINE_ACCOUNTS: name it again,"
        f" or pin the tenant elsewhere first: `swapline tenants set {tenant} --accounts NAME`, or"
        f" `swapline tenants reset {tenant}`."
    )


def refusal(what: str, have: Vendor, mine: Vendor, account: str = DEFAULT) -> str:
    """Say why a worker with `mine` may not work on the ledger of `have`."""
    if account != DEFAULT:
        return _refusal_by_name(have, mine, account)
    own = (
        "give it a ledger and a store of its own"
        " (another SWAPLINE_REDIS_URL or SWAPLINE_KEY_PREFIX, and another SWAPLINE_STORAGE_URL)"
    )
    if what == "key":
        return (
            f"This ledger's jobs are paid by another key ({have.short_key}) than SWAPLINE_API_KEY ({mine.short_key})."
            " If it is a new key of the same account, run `swapline accounts adopt` with it (or start with --adopt);"
            f" if it is that of another account, {own}."
        )
    begin = f"This ledger belongs to {have}, and SWAPLINE_API_BASE_URL leads to {mine}"
    if what == "simulated" and mine.simulated:
        return f"{begin}: customers would get the simulator's pictures; {own}."
    if what == "simulated":
        return f"{begin}: test jobs would be sent there, and paid; {own}."
    return (
        f"{begin}: correct it. If the vendor has moved there, run `swapline accounts adopt`"
        f" (or start with --adopt); if it is another vendor, {own}."
    )


def _refusal_by_name(have: Vendor, mine: Vendor, account: str) -> str:
    begin = f"The account {account!r} of this ledger belongs to {have}, and SWAPLINE_ACCOUNTS leads to {mine}"
    if have.simulated is not mine.simulated:
        return f"{begin}: give it another name, so that no job goes to the wrong one."
    return (
        f"{begin}: correct it, or give it another name. If the vendor has moved there, run"
        f" `swapline accounts adopt {account}`."
    )


def _obstacle(answer: Mapping[str, Any]) -> str:
    between = "A simulated vendor and a real one cannot take each other's place"
    if answer.get("working"):
        return f"{between} while a worker runs: stop every worker, and run it again 15 s later."
    return f"{between} while {answer['unfinished']} jobs have not ended: let them end, or cancel or purge them first."
