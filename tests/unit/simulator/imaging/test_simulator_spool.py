"""Pictures of the simulator lie in a file; what is asked for again and again stays in memory."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from swapline_simulator.enums import ApiVersion, Ratio, ResultSize
from swapline_simulator.imaging import spool as module
from swapline_simulator.imaging.pictures import Recipe
from swapline_simulator.imaging.spool import InMemory, Spool
from swapline_simulator.imaging.studio import Recent

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_blobs_are_read_as_they_were_put() -> None:
    spool = Spool()
    blobs = [spool.put(bytes([number]) * 1000 * number) for number in range(5)]
    assert [blob.read() for blob in blobs] == [bytes([number]) * 1000 * number for number in range(5)]
    assert (spool.size, list(map(len, blobs))) == (10_000, [0, 1000, 2000, 3000, 4000])


def test_the_place_of_a_blob_that_is_gone_is_used_again() -> None:
    spool = Spool()
    blobs = [spool.put(b"x" * 100) for _ in range(10)]
    del blobs[2:5]
    first, second = spool.put(b"a" * 180), spool.put(b"b" * 120)
    assert spool.size == 1000
    assert (first.read(), second.read()) == (b"a" * 180, b"b" * 120)
    assert {blob.read() for blob in blobs} == {b"x" * 100}
    del blobs, first, second
    assert spool.size == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.binary(max_size=64)), max_size=60))
def test_no_blob_overwrites_another(steps: list[tuple[int, bytes]]) -> None:
    spool = Spool()
    blobs: dict[int, tuple[module.Blob | InMemory, bytes]] = {}
    for name, data in steps:
        blobs.pop(name // 3, None)
        blobs[name % 20] = (spool.put(data), data)
        assert all(blob.read() == expected for blob, expected in blobs.values())
    assert spool.size <= sum(len(data) for _, data in steps)


def test_where_the_disk_is_full_the_bytes_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool()
    before = spool.put(b"before")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    kept = spool.put(b"kept")
    monkeypatch.undo()
    after = spool.put(b"after!")
    assert [before.read(), kept.read(), after.read()] == [b"before", b"kept", b"after!"]
    assert isinstance(kept, InMemory)


def test_a_folder_that_cannot_be_written_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "FOLDER", str(tmp_path / "none"))
    assert Spool().put(b"x").read() == b"x"


def test_the_values_used_last_are_kept_up_to_a_number_of_bytes() -> None:
    recent: Recent[bytes] = Recent(100)
    names = [("photograph", Recipe(number, Ratio.SQUARE, ApiVersion.V6, ResultSize.SMALL)) for number in range(4)]
    for name in names[:3]:
        recent.put(name, b"x" * 40)
        assert recent.get(names[0]) is not None
    assert [name[1].filter_id for name in names if recent.get(name) is not None] == [0, 2]
    recent.put(names[3], b"x" * 500)
    assert [name[1].filter_id for name in names if recent.get(name) is not None] == [3]
