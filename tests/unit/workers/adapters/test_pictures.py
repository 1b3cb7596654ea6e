"""Where pictures lie: names follow from the job, bytes are what was stored."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from support.pictures.pngs import png
from swapline_producer.contract import ApiVersion, Gender, Job, JobSpec, LinkedImage, State, StoredImage, StoredPicture
from swapline_producer.errors import ObjectMissing
from swapline_producer.storage.keys import result_key
from swapline_producer.testing import memory_storage
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.picture_memory import Picture

if TYPE_CHECKING:
    from swapline_producer.storage import Storage
    from swapline_workers.steps.ports import Pictures

PICTURE = png()
SHA = hashlib.sha256(PICTURE).hexdigest()
STORED = StoredImage(sha256=SHA, media_type="image/png", width=8, height=8, size=len(PICTURE))
LAST_MILLISECOND_OF_2025 = 1_767_225_599_999  # UTC milliseconds


def spec(image: StoredImage | LinkedImage = STORED) -> JobSpec:
    return JobSpec(image=image, gender=Gender.MALE, filter_id=1, api_version=ApiVersion.V6, tenant="acme")


def job() -> Job:
    return Job(
        job_id="j1",
        state=State.STORING,
        version=1,
        spec=spec(),
        created_at=LAST_MILLISECOND_OF_2025,
        queue_until=0,
        run_timeout_ms=1,
    )


@pytest.fixture
def storage() -> Storage:
    return memory_storage()


@pytest.fixture
def pictures(storage: Storage) -> Pictures:
    return PictureStore(storage)


def keys(storage: Storage) -> list[str]:
    return [found.key for found in storage.list()]


def test_the_vendor_gets_base64_of_the_very_bytes(storage: Storage, pictures: Pictures) -> None:
    storage.put(STORED.key, PICTURE, "image/png")
    assert base64.b64decode(pictures.input_text(spec()), validate=True) == PICTURE


def test_the_vendor_gets_a_url_as_it_was_written(pictures: Pictures) -> None:
    assert pictures.input_text(spec(LinkedImage(url="https://example.com/a?b=c"))) == "https://example.com/a?b=c"


def test_an_input_that_is_gone_is_missing(pictures: Pictures) -> None:
    with pytest.raises(ObjectMissing, match=SHA):
        pictures.input_text(spec())


def test_an_input_that_was_replaced_is_not_sent(storage: Storage, pictures: Pictures) -> None:
    storage.put(STORED.key, PICTURE[:-1] + b"!", "image/png")
    with pytest.raises(ObjectMissing, match="no longer holds the picture"):
        pictures.input_text(spec())


def read(number: int, data: bytes) -> Picture:
    return Picture(StoredPicture(key=result_key(job(), number), sha256="0", bytes=len(data), width=1, height=1), data)


def test_results_lie_under_tenant_day_and_job_and_their_receipt_is_written_last(
    storage: Storage, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, put = list[str](), storage.put

    def noted(key: str, data: bytes, content_type: str) -> None:
        written.append(key)
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", noted)
    folder = "results/acme/2025/12/31/j1"
    for _ in range(2):  # twice is once
        pictures.store(job(), [read(0, PICTURE), read(1, b"second")])
    assert written == [f"{folder}/0.png", f"{folder}/1.png", f"{folder}/receipt.json"] * 2
    assert keys(storage) == written[:3]
    assert [storage.get(key) for key in written[:2]] == [PICTURE, b"second"]
    assert [picture.key for picture in pictures.stored(job())] == written[:2]


def test_a_result_has_a_url(pictures: Pictures) -> None:
    assert pictures.url("results/acme/0.png") == "memory:///results/acme/0.png"
