"""How far apart a clock's claims are."""

from __future__ import annotations

import pytest

from swapline_workers.runtime.due_dispatcher import spacing


@pytest.mark.parametrize(("moments", "seconds"), [(0, 0.02), (500, 0.02), (501, 0.05), (10_000, 0.05)])
def test_claims_are_further_apart_while_hundreds_of_jobs_are_in_flight(moments: int, seconds: float) -> None:
    assert spacing(moments) == seconds
