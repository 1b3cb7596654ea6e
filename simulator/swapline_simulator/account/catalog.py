"""The simulated vendor's filters."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from swapline_simulator.enums import FilterId


class Span(BaseModel):
    """Integer filters from `first` to `last`, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


class Catalog(BaseModel):
    """By default the integers up to 399, the last 200 of them for one mode only, and nearly every UUID."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: Span = Span(first=0, last=399)
    single_only: Span = Span(first=200, last=299)
    """Filters that group mode may not use."""
    group_only: Span = Span(first=300, last=399)
    """Filters that only group mode may use."""
    workflows: frozenset[UUID] | None = Field(default=None)
    """The UUID filters that can be loaded. None: all except those that begin with eight zeros."""

    def loads(self, workflow: UUID) -> bool:
        """Return whether a UUID filter's workflow can be loaded."""
        if self.workflows is not None:
            return workflow in self.workflows
        return workflow.int >> 96 != 0

    def allows(self, filter_id: FilterId, *, group: bool) -> bool:
        """Return whether a known filter is allowed in a mode."""
        if isinstance(filter_id, UUID):
            return not group
        return filter_id not in (self.single_only if group else self.group_only)
