"""How many workers and threads a machine gets."""

from __future__ import annotations

import pytest

from swapline_workers.local.up.cores import Size, quota, size


@pytest.mark.parametrize(
    ("slots", "cores", "workers", "sized"),
    [
        (3, 1, None, Size(1, 16, 1)),
        (3, 8, None, Size(8, 16, 8)),
        (3, 8, 2, Size(2, 16, 8)),
        (1000, 4, None, Size(4, 313, 4)),
        (3, 500, None, Size(64, 16, 500)),
    ],
)
def test_there_is_a_worker_for_each_core_and_a_thread_for_each_slot(
    slots: int, cores: int, workers: int | None, sized: Size
) -> None:
    assert size(slots, cores=cores, workers=workers) == sized


@pytest.mark.parametrize(("text", "cores"), [("max 100000\n", 64), ("150000 100000\n", 2), ("50000 100000", 1)])
def test_a_containers_limit_is_read(text: str, cores: int) -> None:
    assert quota(text) == cores
