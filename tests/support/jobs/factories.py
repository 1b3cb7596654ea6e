"""Jobs as tests enqueue them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from swapline_producer import SwapRequest
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_producer import Producer

PHOTOGRAPH = sample_photographs()[0]


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """Return a file with a photograph."""
    path = tmp_path / "me.jpg"
    path.write_bytes(PHOTOGRAPH)
    return path


def enqueued(producer: Producer, number: int = 1, **options: Any) -> list[str]:
    """Enqueue this number of jobs with the same photograph, and return their ids."""
    request = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12, **options)
    return [producer.enqueue(request).job_id for _ in range(number)]
