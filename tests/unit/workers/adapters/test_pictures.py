"""Where pictures lie: names follow from the job, bytes are what was stored."""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import TYPE_CHECKING

import pytest

from support.pngs import png
from swapline_producer.contract import ApiVersion, Gender, Job, JobSpec, LinkedImage, State, StoredImage, StoredPicture
from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_producer.testing import memory_storage
from swapline_workers.adapters.pictures import PictureStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.storage import Storage
    from swapline_workers.steps.ports import Pictures

PICTURE = png()
SHA = hashlib.sha256(PICTURE).hexdigest()
STORED = StoredImage(sha256=SHA, media_type="image/png", width=8, height=8, size=len(PICTURE))
LAST_MOMENT_OF_2025 = 1_767_225_599_999  # UTC milliseconds


def spec(image: StoredImage | LinkedImage = STORED) -> JobSpec:
    return JobSpec(image=image, gender=Gender.MALE, filter_id=1, api_version=ApiVersion.V6, tenant="acme")


def job(staged: int = 0) -> Job:
    return Job(
        job_id="j1",
        state=State.STORING,
        version=1,
        spec=spec(),
        created_at=LAST_MOMENT_OF_2025,
        queue_until=0,
        run_timeout_ms=1,
        staged=staged,
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


def test_staged_pictures_are_read_back_by_number(storage: Storage, pictures: Pictures) -> None:
    pictures.stage(job(), [b"first", b"second"])
    assert keys(storage) == ["staging/j1/0", "staging/j1/1"]
    assert [pictures.staged(job(), number) for number in range(2)] == [b"first", b"second"]
    with pytest.raises(ObjectMissing):
        pictures.staged(job(), 2)


def test_a_result_lies_under_tenant_day_and_job_with_its_receipt(storage: Storage, pictures: Pictures) -> None:
    key = pictures.store(job(), 0, PICTURE)
    pictures.write_receipt(job(), b"{}")
    assert key == "results/acme/2025/12/31/j1/0.png"
    assert keys(storage) == [key, "results/acme/2025/12/31/j1/receipt.json"]
    assert storage.get(key) == PICTURE


def checked(*sizes: int) -> Job:
    facts = [StoredPicture(key="any", sha256="ab" * 32, bytes=size, width=1, height=1) for size in sizes]
    return job(staged=len(sizes)).model_copy(update={"checked": tuple(facts)})


def test_staged_pictures_become_results_if_they_have_the_sizes_that_they_had(
    storage: Storage, pictures: Pictures
) -> None:
    pictures.stage(job(), [PICTURE, b"second"])
    for sizes in ((len(PICTURE) - 1, 6), (len(PICTURE), 7), (len(PICTURE), 6, 1)):
        with pytest.raises(ObjectMissing):
            pictures.publish(checked(*sizes), b"{}")
    pictures.publish(checked(len(PICTURE), 6), b"{}")
    folder = "results/acme/2025/12/31/j1"
    assert storage.get(f"{folder}/0.png") == PICTURE
    assert storage.get(f"{folder}/1.png") == b"second"
    assert storage.get(f"{folder}/receipt.json") == b"{}"


def test_storing_twice_is_storing_once(storage: Storage, pictures: Pictures) -> None:
    assert pictures.store(job(), 0, PICTURE) == pictures.store(job(), 0, PICTURE)
    assert len(keys(storage)) == 1


@pytest.mark.parametrize("known", [2, 0])
def test_unstaging_leaves_results_and_other_jobs_alone(storage: Storage, pictures: Pictures, known: int) -> None:
    pictures.stage(job(), [b"first", b"second"])
    storage.put("staging/j10/0", b"other", "image/png")
    pictures.store(job(), 0, PICTURE)
    pictures.unstage(job(staged=known))
    assert keys(storage) == ["results/acme/2025/12/31/j1/0.png", "staging/j10/0"]


def test_unstaging_never_raises(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = memory_storage()

    def away(_: Iterable[str]) -> None:
        raise StorageUnavailable("The store is away.")

    monkeypatch.setattr(storage, "delete", away)
    with caplog.at_level(logging.WARNING):
        PictureStore(storage).unstage(job())
    assert "j1 stays for the janitor: The store is away." in caplog.text


def test_a_result_has_a_url(pictures: Pictures) -> None:
    assert pictures.url("results/acme/0.png") == "memory:///results/acme/0.png"
