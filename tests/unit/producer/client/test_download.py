"""A job's pictures as files: verified, and never over another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pictures.pngs import png
from swapline_producer import SwapRequest
from swapline_producer.client.download import check_has_pictures, picture_files, save_pictures
from swapline_producer.contract import StoredPicture
from swapline_producer.errors import NotPossible, StorageError
from swapline_producer.testing import FakeProducer

PICTURE, OTHER = png(40, 60, seed=1), png(40, 60, seed=2)
REQUEST = SwapRequest(image="https://a.example/a.jpg", gender="female", filter_id=1)


def test_a_picture_that_is_not_the_stored_one_is_not_written(tmp_path: Path) -> None:
    producer = FakeProducer()
    job = producer.succeed(producer.enqueue(REQUEST).job_id, PICTURE)
    producer.storage.put(job.images[0].key, OTHER, "image/png")
    with pytest.raises(StorageError, match="its SHA-256 is another"):
        save_pictures(producer, job.images, [tmp_path / "out.png"])
    assert list(tmp_path.iterdir()) == []


def test_several_pictures_have_names_of_their_own(tmp_path: Path) -> None:
    producer = FakeProducer()
    job = producer.succeed(producer.enqueue(REQUEST).job_id, PICTURE, OTHER)
    save_pictures(producer, job.images, picture_files(tmp_path / "out.v1.png", job.images))
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"out.v1.png": PICTURE, "out.v1-2.png": OTHER}


def test_a_job_without_pictures_says_what_to_do() -> None:
    producer = FakeProducer()
    job = producer.get(producer.enqueue(REQUEST).job_id)
    with pytest.raises(NotPossible, match=f"is QUEUED and has no pictures; `swapline jobs wait {job.job_id}` waits"):
        check_has_pictures(job)
    with pytest.raises(NotPossible, match=f"is FAILED and has no pictures; `swapline jobs show {job.job_id}` says why"):
        check_has_pictures(producer.fail(job.job_id))


def test_a_name_without_an_extension_is_given_that_of_each_picture() -> None:
    images = [
        StoredPicture(key=f"results/a/{name}", sha256="0", bytes=1, width=1, height=1) for name in ("0.png", "1.jpg")
    ]
    assert [path.name for path in picture_files(Path("job"), images)] == ["job.png", "job-2.jpg"]
