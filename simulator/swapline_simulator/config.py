"""The simulated vendor's configuration, at start and while it runs."""

from __future__ import annotations

from secrets import randbits
from typing import Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, model_validator

from swapline_simulator.account.catalog import Catalog
from swapline_simulator.account.service_time import LogNormal, ServiceTime
from swapline_simulator.enums import OverCap, ResultSize
from swapline_simulator.faults.script import Directions


def _any_seed() -> int:
    return randbits(32)


class AccountConfig(BaseModel):
    """What a further account of the vendor's has of its own; the rest is the first account's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1)
    cap: int | None = Field(default=None, ge=0)
    credits: int | None = Field(default=None, ge=0)
    over_cap: OverCap | None = None
    service_time: ServiceTime | None = None
    fail_rate: float | None = Field(default=None, ge=0, le=1)
    mode: Directions = ()


class SimulatorConfig(BaseModel):
    """The vendor's configuration. Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default_factory=_any_seed)
    """Of all random numbers. Random by default, so that a restarted vendor repeats no job id."""
    key: str = Field(default="sim-key", min_length=1)
    key_header: str = Field(default="X-API-Key", pattern=r"^[A-Za-z0-9-]+$")
    key_prefix: str = ""
    """Before the key in the header, e.g. `Bearer `."""
    cap: int = Field(default=3, ge=0)
    """Jobs in flight at most: 3 on the basic plan."""
    over_cap: OverCap = OverCap.TOO_MANY
    """The reply to a submission above the cap."""
    retry_after: float = Field(default=1, ge=0)
    """Retry-After above the cap."""
    credits: int = Field(default=1_000_000, ge=0)
    """At the start: more than a benchmark spends. Changed at run time: what is left now."""
    service_time: ServiceTime = LogNormal(median=8, sigma=0.4)
    fail_rate: float = Field(default=0, ge=0, le=1)
    """The share of jobs that end FAILED."""
    mode: Directions = ()
    """Initial directions."""
    results: ResultSize = ResultSize.FULL
    result_ttl: float = Field(default=1800, gt=0)
    """Results expire after this time: after 30 minutes at the vendor's host."""
    catalog: Catalog = Catalog()
    accounts: dict[str, AccountConfig] = Field(default_factory=dict)
    """Further accounts by name; the fields above are the first one's. A call is for the account of its key."""

    def of_account(self, name: str) -> SimulatorConfig:
        """Return the configuration of a further account."""
        own = self.accounts[name].model_dump(exclude_none=True)
        seed = crc32(f"{self.seed}/{name}".encode())  # its jobs' ids and random numbers are its own
        return SimulatorConfig.model_validate(self.model_dump() | own | {"seed": seed, "accounts": {}})

    @model_validator(mode="after")
    def _one_key_each(self) -> Self:
        keys = [self.key, *(one.key for one in self.accounts.values())]
        if len(set(keys)) < len(keys):
            msg = "two accounts have the same key"
            raise ValueError(msg)
        return self
