"""Which vendor a ledger belongs to, as a store knows its installation.

Kept for each account by its name; there is one so far, `default`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from swapline_producer.errors import NotPossible
from swapline_producer.ledger.scripts import LedgerCore, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "default"

BEFORE_MS = 86_400_000
"""Milliseconds that the address before is still taken after a vendor has moved: a day for a rolling restart."""

SILENCE_MS = 15_000
"""Milliseconds without a claim after which no worker runs: each claims every five seconds at least."""


class Vendor(NamedTuple):
    """What a worker would send paid calls to."""

    address: str
    """The base URL, spelt in one way."""
    simulated: bool

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"the {'simulated ' if self.simulated else ''}vendor at {self.address}"


class Account(NamedTuple):
    """What a ledger knows of an account."""

    name: str
    vendor: Vendor
    since: int
    """UTC milliseconds."""

    def as_dict(self) -> dict[str, Any]:
        """What programs are shown."""
        return {"name": self.name, **self.vendor._asdict(), "since": self.since}


class Accounts(LedgerCore):
    """The vendor that a ledger is bound to."""

    def account(self, name: str = DEFAULT) -> Account | None:
        """What is known of an account; None before a worker has started."""
        with translated():
            found = cast("Mapping[str, str]", self.client.hgetall(self._key("account", name)))
        return _account(name, found) if "address" in found else None

    def adopt(self, vendor: Vendor, *, account: str = DEFAULT) -> bool:
        """Bind the ledger to this vendor from now on: the old one has moved. Gives whether that changed anything.

        Raises NotPossible between a simulator and a vendor, while jobs have not ended or a worker runs.
        """
        limits = {"before_ms": BEFORE_MS, "silence_ms": SILENCE_MS}
        answer = self._run("adopt", account=account, **vendor._asdict(), **limits)
        if "changed" not in answer:
            raise NotPossible(_obstacle(answer))
        return bool(answer["changed"])


def _account(name: str, found: Mapping[str, str]) -> Account:
    return Account(name, Vendor(found["address"], found["simulated"] == "1"), int(found["since"]))


def refusal(what: str, have: Vendor, mine: Vendor) -> str:
    """Say why a worker with `mine` may not work on the ledger of `have`."""
    own = (
        "give it a ledger and a store of its own"
        " (another SWAPLINE_REDIS_URL or SWAPLINE_KEY_PREFIX, and another SWAPLINE_STORAGE_URL)"
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


def _obstacle(answer: Mapping[str, Any]) -> str:
    between = "A simulated vendor and a real one cannot take each other's place"
    if answer.get("working"):
        return f"{between} while a worker runs: stop every worker, and run it again 15 s later."
    return f"{between} while {answer['unfinished']} jobs have not ended: let them end, or cancel or purge them first."
