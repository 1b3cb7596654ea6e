"""A face is found where there is one, and a picture without is refused before it is stored or paid."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from support.pictures.photographs import exif, extra, picture, saved
from swapline_producer import SwapRequest
from swapline_producer.contract import FailureCode, Gender, StoredImage
from swapline_producer.errors import ImageError
from swapline_producer.pictures import faces
from swapline_producer.pictures.faces import check_faces
from swapline_producer.settings import ProducerSettings
from swapline_producer.testing import FakeProducer
from swapline_simulator import sample_photographs

PORTRAIT = sample_photographs()[0]


@pytest.fixture(autouse=True)
def _detector() -> None:
    extra("dlib")


def photograph() -> Image.Image:
    with Image.open(io.BytesIO(PORTRAIT)) as opened:
        return opened.convert("RGB")


def jpeg(made: Image.Image, **more: Any) -> bytes:
    return saved("JPEG", made, **more)


def request(data: bytes | str, **more: Any) -> SwapRequest:
    return SwapRequest(**{"image": data, "gender": "female", "filter_id": 1, "require_face": True} | more)


@pytest.mark.parametrize("number", range(3))
def test_the_faces_of_the_sample_photographs_are_found(number: int) -> None:
    assert check_faces(sample_photographs()[number], "image/jpeg", group=False) == ()


@pytest.mark.parametrize("number", range(5))
def test_no_face_is_seen_where_there_is_none(number: int) -> None:
    gradient = Image.radial_gradient("L").resize((900, 600))
    empty = [picture("RGB", (900, 600)), Image.effect_noise((900, 600), 60), gradient, gradient.rotate(90), picture()]
    with pytest.raises(ImageError) as refused:
        check_faces(jpeg(empty[number].convert("RGB")), "image/jpeg", group=False)
    assert refused.value.code is FailureCode.NO_FACE_FOUND


def test_a_picture_without_a_face_is_refused_and_nothing_is_stored() -> None:
    producer = FakeProducer()
    with pytest.raises(ImageError, match=r"^No face was found in the picture; give one that shows a face"):
        producer.enqueue(request(saved("JPEG")))
    assert list(producer.storage.list("inputs")) == []
    assert producer.enqueue(request(saved("JPEG"), require_face=False)).created


def test_a_setting_asks_for_a_face_of_every_request_that_does_not_say_otherwise() -> None:
    producer = FakeProducer(ProducerSettings(require_face=True))
    with pytest.raises(ImageError):
        producer.enqueue(request(saved("JPEG"), require_face=None))
    assert producer.enqueue(request(saved("JPEG"), require_face=False)).created
    assert producer.enqueue(request("https://pictures.example/me.jpg", require_face=None)).created


def test_a_face_cannot_be_required_of_a_url() -> None:
    with pytest.raises(ImageError, match="require_face needs the picture itself, not its URL"):
        FakeProducer().enqueue(request("https://pictures.example/me.jpg"))


def warnings(made: Image.Image, gender: Gender = Gender.FEMALE, **more: Any) -> tuple[str, ...]:
    producer = FakeProducer()
    image = producer.get(producer.enqueue(request(jpeg(made, **more), gender=gender)).job_id).spec.image
    assert isinstance(image, StoredImage)
    return image.warnings


def test_several_faces_are_told_unless_all_are_swapped() -> None:
    both = Image.new("RGB", (1024, 512))
    both.paste(photograph(), (0, 0))
    both.paste(photograph(), (512, 0))
    assert warnings(both) == ("2 faces were found, and one is swapped: which one is for the vendor to say",)
    assert warnings(both, Gender.GROUP) == ()


def test_a_small_face_is_told() -> None:
    small = Image.new("RGB", (700, 700), "grey")
    small.paste(photograph().resize((280, 280)), (150, 150))
    [warning] = warnings(small)
    assert warning.endswith("pixels wide: little of it will be seen")


def test_a_face_at_the_edge_is_told() -> None:
    cut = photograph().crop((190, 82, 330, 222)).resize((600, 600))  # from the brow to the mouth
    assert warnings(cut) == ("the face reaches over the edge of the picture",)


def test_a_face_that_lies_on_its_side_by_exif_is_found() -> None:
    sideways = photograph().rotate(90, expand=True)
    assert check_faces(jpeg(sideways, exif=exif(orientation=6)), "image/jpeg", group=False) == ()


def test_warnings_of_another_detector_do_not_make_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    first = producer.enqueue(request(PORTRAIT, idempotency_key="k"))
    monkeypatch.setattr(faces, "SMALLEST", 10_000)
    assert producer.enqueue(request(PORTRAIT, idempotency_key="k")).job_id == first.job_id


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "find_spec", lambda _name: None)
    with pytest.raises(ImageError, match=r"require_face needs a detector: install swapline-producer\[pictures\]"):
        FakeProducer().enqueue(request(PORTRAIT))
