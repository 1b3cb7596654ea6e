"""What a batch writes into a folder: each job has files of its own, and other files are left alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from support.pictures.pngs import png
from swapline_producer import SwapRequest
from swapline_producer.client.batches.results import download, files
from swapline_producer.errors import NotPossible
from swapline_producer.testing import FakeProducer

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_producer.contract import Job

PICTURE, OTHER = png(40, 60, seed=1), png(40, 60, seed=2)


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


def succeeded(producer: FakeProducer, key: str, *pictures: bytes) -> Job:
    request = SwapRequest(image="https://a.example/a.jpg", gender=0, filter_id=1, batch="spring", idempotency_key=key)
    return producer.succeed(producer.enqueue(request).job_id, *(pictures or (PICTURE,)))


def test_pictures_are_called_after_the_row_and_their_number(producer: FakeProducer, tmp_path: Path) -> None:
    job = succeeded(producer, "batch:spring:7", PICTURE, OTHER)
    download(producer, "spring", job, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "000007.png": PICTURE,
        "000007-2.png": OTHER,
    }


@pytest.mark.parametrize(
    "key",
    ["batch:spring:01", "batch:spring:\u0661", "batch:spring:../../x", "batch:spring:/etc/x", "batch:summer:1", "x"],
)
def test_a_crafted_key_takes_no_rows_name_and_leaves_no_folder(
    producer: FakeProducer, tmp_path: Path, key: str
) -> None:
    job = succeeded(producer, key)
    assert files("spring", job, tmp_path) == [tmp_path / f"{job.job_id}.png"]


@pytest.mark.parametrize("job_id", ["../../x", "/etc/x", "..", "", "a\0b", "a\nb", "000001.png", "é" * 300])
def test_an_id_that_is_no_name_of_a_file_becomes_one(producer: FakeProducer, tmp_path: Path, job_id: str) -> None:
    job = succeeded(producer, "x").model_copy(update={"job_id": job_id})
    digest = hashlib.sha256(job_id.encode()).hexdigest()
    assert files("spring", job, tmp_path) == [tmp_path / f"{digest[:32]}.png"]


def test_downloading_twice_is_downloading_once(producer: FakeProducer, tmp_path: Path) -> None:
    job = succeeded(producer, "batch:spring:1")
    download(producer, "spring", job, tmp_path)
    [path] = tmp_path.iterdir()
    written = path.stat()
    download(producer, "spring", job, tmp_path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("there", [b"a letter", OTHER, b""])
def test_another_file_of_that_name_is_left_alone_with_a_sentence(
    producer: FakeProducer, tmp_path: Path, there: bytes
) -> None:
    job = succeeded(producer, "batch:spring:1")
    (tmp_path / "000001.png").write_bytes(there)
    with pytest.raises(NotPossible, match="nothing was overwritten"):
        download(producer, "spring", job, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"000001.png": there}


def test_a_picture_of_the_same_size_is_distinguished_from_ours(producer: FakeProducer, tmp_path: Path) -> None:
    job = succeeded(producer, "batch:spring:1")
    changed = PICTURE[:-1] + bytes([PICTURE[-1] ^ 1])
    (tmp_path / "000001.png").write_bytes(changed)
    with pytest.raises(NotPossible):
        download(producer, "spring", job, tmp_path)
    assert (tmp_path / "000001.png").read_bytes() == changed


def test_a_link_that_leads_elsewhere_is_not_written_through(producer: FakeProducer, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "000001.png").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotPossible):
        download(producer, "spring", succeeded(producer, "batch:spring:1"), folder)
    assert not (tmp_path / "elsewhere").exists()
