"""The settings that steps use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_workers.core.schedule.polling import Bounds
    from swapline_workers.settings import AmbiguousSubmit


@dataclass(frozen=True, slots=True)
class Policy:
    """Times are seconds."""

    polls: Bounds
    on_ambiguous_submit: AmbiguousSubmit
    rescue_after: float
    lost_after: float
    store_timeout: float
    webhook_schedule: tuple[float, ...]
    webhook_disable_after: float
