"""Limits of an installation, and how its accounts are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from swapline_producer.contract import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Limits(Frozen):
    """Limits of the whole installation. None: not named."""

    max_in_flight: int | None = None
    rescue_after: float | None = None
    """Seconds."""
    submit_rate: float | None = None
    poll_rate: float | None = None
    credits_per_day: int | None = None
    """UTC days."""

    def named(self) -> dict[str, str]:
        """Return those that are named: the ledger's field -> text."""
        given = self.model_dump(exclude={"rescue_after"}, exclude_none=True)
        if self.rescue_after is not None:
            given["rescue_ms"] = round(self.rescue_after * 1000)
        return {name: str(value) for name, value in given.items()}

    @classmethod
    def from_ledger(cls, fields: Mapping[str, str]) -> Self:
        """Read what `named` wrote."""
        given: dict[str, Any] = {name: fields[name] for name in cls.model_fields if name in fields}
        if "rescue_ms" in fields:
            given["rescue_after"] = int(fields["rescue_ms"]) / 1000
        return cls.model_validate(given)


class CreditsView(Frozen):
    """Credits of a day (UTC), and the cap. A submission counts from its slot on."""

    day: str
    spent: int
    per_day: int | None
    by_tenant: dict[str, int]
    caps: dict[str, int]
    by_account: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By account and tenant, where there are several."""


class AccountView(Frozen):
    """The present use of one account."""

    name: str
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    drained: bool = False
    """It is given no new jobs."""
    set_by: str | None = None
    """Who has set its slots by hand."""
    limit: int
    cap: int
    in_flight: tuple[str, ...]
    jobs: int
    """Unfinished jobs that only this account can finish."""
    credits_today: int
    credits_per_day: int | None = None
    submit_rate: float | None = None
    closed_until: int | None = None
    """When a job may probe (milliseconds); None: now, or its breaker is closed."""
    reason: str | None = None
    """Why its breaker is open, if it is."""
    trips: int = 0

    @property
    def usable(self) -> int:
        """Slots that may be used now."""
        return 0 if self.drained else self.cap


class SlotsView(Frozen):
    """The accounts' use, added up. The breaker counts as open where all of theirs are."""

    limit: int
    cap: int
    in_flight: tuple[str, ...]
    waiting: int
    set_by: str | None = None
    """Who set the limit by hand, where that is known."""
    closed_until: int | None = None
    """When a job may probe (milliseconds); None: now, or the breaker is closed."""
    reason: str | None = None
    trips: int = 0
    """Refusals in a row."""
    store_failing_since: int | None = None
    """Milliseconds; then at most one new job is submitted."""
    store_reason: str | None = None
    at: int = 0
    accounts: tuple[AccountView, ...] = ()
    """Where there are several."""

    @property
    def paused(self) -> bool:
        """Whether the submission breaker is open."""
        return self.trips > 0
