"""Limits in force, and the workers whose settings name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract.accounts import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.accounts.workers import WorkerRecord

OF_ACCOUNT = ("max_in_flight", "submit_rate", "credits_per_day")
"""Fields of `Limits` that each account has for itself, where there are several."""


class LimitInForce(NamedTuple):
    """A limit of the installation, or of one account."""

    name: str
    """The field of `Limits`."""
    account: str | None
    value: float | None
    named: dict[str, list[str]]
    """Workers by the value that their settings name."""

    @property
    def title(self) -> str:
        """Return the setting's name, and its account."""
        return self.name.upper() + (f" of {self.account}" if self.account else "")


def limits_in_force(ledger: Ledger) -> list[LimitInForce]:
    """Return the limits of the installation and of its accounts; None: of the installation's single account, too."""
    workers, several = ledger.workers.alive(), ledger.pool.several()
    found = _of(ledger, workers, None, [name for name in Limits.model_fields if not several or name not in OF_ACCOUNT])
    for account in ledger.pool.known() if several else ():
        found += _of(ledger, workers, account, OF_ACCOUNT)
    return found


def _of(ledger: Ledger, workers: list[WorkerRecord], account: str | None, names: Iterable[str]) -> list[LimitInForce]:
    counts = ledger.limits.current(account)
    return [LimitInForce(name, account, getattr(counts, name), named_by(workers, name, account)) for name in names]


def named_by(workers: list[WorkerRecord], name: str, account: str | None) -> dict[str, list[str]]:
    """Return the workers by the value that their settings name."""
    named: dict[str, list[str]] = {}
    for worker in workers:
        value = getattr(worker.limits_of(account), name)
        if value is not None:
            named.setdefault(f"{value:g}", []).append(worker.name)
    return named
