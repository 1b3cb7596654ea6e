from __future__ import annotations

import base64
import hashlib
import threading

import pytest

from support.jobs.fakes import spec
from swapline_producer.contract import ImageRef, LinkedImage, StoredImage
from swapline_producer.errors import LedgerUnavailable, ObjectMissing
from swapline_producer.testing import memory_storage
from swapline_workers.adapters.read_ahead import KEPT, ReadAhead


def stored(data: bytes) -> StoredImage:
    digest = hashlib.sha256(data).hexdigest()
    return StoredImage(sha256=digest, media_type="image/png", width=1, height=1, size=len(data))


class Line:
    """The front of a waiting line, and a signal when it has been asked for."""

    def __init__(self, *images: ImageRef) -> None:
        self.images = list(images)
        self.asked = threading.Semaphore(0)

    def __call__(self, number: int) -> list[ImageRef]:
        self.asked.release()
        return self.images[:number]


def test_what_is_next_is_at_hand_before_it_is_asked_for() -> None:
    storage, now, later = memory_storage(), b"now", b"later"
    for data in (now, later):
        storage.put(stored(data).key, data, "image/png")
    line = Line(stored(later))
    pictures = ReadAhead(storage, line)
    assert pictures.input_text(spec(image=stored(now))) == base64.b64encode(now).decode()
    pictures._reader.shutdown(wait=True)
    storage.delete([stored(later).key])
    assert pictures._kept_text(stored(later)) == base64.b64encode(later).decode()


@pytest.mark.parametrize("error", [LedgerUnavailable("away"), ObjectMissing("gone")])
def test_trouble_with_what_is_next_is_no_trouble_now(error: Exception) -> None:
    def front(_number: int) -> list[ImageRef]:
        raise error

    storage = memory_storage()
    storage.put(stored(b"now").key, b"now", "image/png")
    pictures = ReadAhead(storage, front)
    assert pictures.input_text(spec(image=stored(b"now"))) == base64.b64encode(b"now").decode()
    pictures._reader.shutdown(wait=True)


def test_only_a_few_are_kept() -> None:
    storage = memory_storage()
    images = [bytes([number]) for number in range(3 * KEPT)]
    for data in images:
        storage.put(stored(data).key, data, "image/png")
    pictures = ReadAhead(storage, Line())
    for data in images:
        pictures._keep(stored(data).sha256, "text")
    assert list(pictures._kept) == [stored(data).sha256 for data in images[-KEPT:]]


def test_a_picture_at_a_public_address_is_not_read() -> None:
    url = "https://pictures.example/me.jpg"
    pictures = ReadAhead(memory_storage(), Line(LinkedImage(url=url)))
    assert pictures.input_text(spec(image=LinkedImage(url=url))) == url
    pictures._reader.shutdown(wait=True)
