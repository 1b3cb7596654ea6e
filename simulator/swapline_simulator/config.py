"""The simulated vendor's configuration, at start and while it runs."""

from __future__ import annotations

from secrets import randbits

from pydantic import BaseModel, ConfigDict, Field

from swapline_simulator.account.catalog import Catalog
from swapline_simulator.account.service_time import LogNormal, ServiceTime
from swapline_simulator.enums import OverCap, ResultSize
from swapline_simulator.faults.script import Directions


def _any_seed() -> int:
    return randbits(32)


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
