"""Large files past the page cache: the same bytes, whatever the file system takes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from swapline_producer.storage.local import uncached
from swapline_producer.storage.local.uncached import ALIGNED, BLOCK, LARGE, write_all

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = [0, 1, LARGE - 1, LARGE, LARGE + 1, BLOCK * 2, BLOCK * 2 + ALIGNED, BLOCK * 3 - 1, 4_100_000]


def written(path: Path, data: bytes) -> bytes:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(file, data)
    finally:
        os.close(file)
    return path.read_bytes()


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_written_is_read_again(tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    assert written(tmp_path / "file", data) == data


def test_a_block_used_before_leaves_nothing_behind(tmp_path: Path) -> None:
    long, short = b"1" * (BLOCK * 2), b"2" * (BLOCK + 5)
    assert written(tmp_path / "long", long) == long
    assert written(tmp_path / "short", short) == short


@pytest.mark.parametrize("refused_after", [0, 1, 2])
def test_a_file_system_that_takes_no_such_blocks_gets_the_rest_as_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused_after: int
) -> None:
    data, write, number = os.urandom(BLOCK * 3 + 77), os.write, 0

    def picky(file: int, block: memoryview) -> int:
        nonlocal number
        number += 1
        if number == refused_after + 1:
            raise OSError(errno.EINVAL, "not aligned as this disk likes it")
        return write(file, block)

    monkeypatch.setattr(os, "write", picky)
    assert written(tmp_path / "file", data) == data


def test_a_short_write_is_followed_by_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, write = os.urandom(BLOCK * 2 + 9), os.write
    monkeypatch.setattr(os, "write", lambda file, block: write(file, block[:ALIGNED]))
    assert written(tmp_path / "file", data) == data


def test_a_full_disk_is_reported_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _block: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "file", os.urandom(LARGE))


def test_where_there_is_no_such_way_the_old_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncached, "_DIRECT", 0)
    data = os.urandom(LARGE)
    assert written(tmp_path / "file", data) == data
