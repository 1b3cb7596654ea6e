"""Everything about the simulated vendor that can be chosen, beforehand or while it runs."""

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
    """How the vendor is set up. Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default_factory=_any_seed)
    """Of all chance. Drawn anew when absent, so that a vendor that was started again knows no old job's id."""
    key: str = Field(default="sim-key", min_length=1)
    key_header: str = Field(default="X-API-Key", pattern=r"^[A-Za-z0-9-]+$")
    key_prefix: str = ""
    """What stands before the key in the header, e.g. `Bearer `."""
    cap: int = Field(default=3, ge=0)
    """Jobs that the account may have at the vendor at once: 3 on the basic plan."""
    over_cap: OverCap = OverCap.TOO_MANY
    """What happens to a submission above the cap."""
    retry_after: float = Field(default=1, ge=0)
    """What Retry-After asks for above the cap."""
    credits: int = Field(default=1_000_000, ge=0)
    """At the start: more than a benchmark spends. Changed at run time: what is left now."""
    service_time: ServiceTime = LogNormal(median=8, sigma=0.4)
    fail_rate: float = Field(default=0, ge=0, le=1)
    """The share of jobs that end FAILED."""
    mode: Directions = ()
    """Directions to begin with."""
    results: ResultSize = ResultSize.FULL
    result_ttl: float = Field(default=1800, gt=0)
    """Results are forgotten after this time, as the vendor's host does after 30 minutes."""
    catalog: Catalog = Catalog()
