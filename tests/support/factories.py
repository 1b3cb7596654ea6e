"""Jobs as tests enqueue them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer import SwapRequest
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from swapline_producer import Producer

PHOTOGRAPH = sample_photographs()[0]


def enqueued(producer: Producer, number: int = 1, **options: Any) -> list[str]:
    """Enqueue this number of jobs with the same photograph, and return their ids."""
    request = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12, **options)
    return [producer.enqueue(request).job_id for _ in range(number)]
