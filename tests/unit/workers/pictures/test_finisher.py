"""What is stored beside, or instead of, the vendor's picture, as settings and jobs say."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from support.jobs.fakes import AT, job, spec
from support.pictures.photographs import saved
from support.pictures.pngs import chunk, grey_png
from swapline_producer.contract import Job, State, StoredPicture
from swapline_producer.pictures.sandbox import Refused
from swapline_producer.storage.keys import result_key
from swapline_workers.core.picture_memory import Picture
from swapline_workers.core.webhook_events import swap_event
from swapline_workers.pictures.finisher import Finisher

JOB = job(State.STORING)
PNG = grey_png(8, 8)
TEXTS = PNG[:33] + chunk(b"tEXt", b"prompt\0a whole workflow") + PNG[33:]
TYPE = "compositeWithTrainedAlgorithmicMedia"


class FakeSandbox:
    """Answers with the name of each variant as its bytes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    def ask(self, operation: str, facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        assert (operation, facts["kind"]) == ("variants", "image/png")
        assert data.startswith(b"\x89PNG")
        self.asked += 1
        if self.error is not None:
            raise self.error
        made = [saved("JPEG") if ".jpg" in text else saved("WEBP") for text in facts["variants"]]
        return {"sizes": [[96, 64]] * len(made), "lengths": [len(one) for one in made]}, b"".join(made)


def read(data: bytes, media_type: str = "image/png") -> Picture:
    key = result_key(JOB, 0, media_type)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(StoredPicture(key=key, sha256=digest, bytes=len(data), width=8, height=8), data)


def finished(data: bytes = TEXTS, whose: Job = JOB, **settings: Any) -> Picture:
    settings = {"sandbox": FakeSandbox(), **settings}
    [picture] = Finisher(**settings).finish(whose, (read(data),))
    return picture


def test_without_settings_nothing_is_touched_or_copied() -> None:
    pictures = (read(TEXTS),)
    assert Finisher().finish(JOB, pictures) is pictures


def test_variants_lie_beside_the_untouched_picture() -> None:
    picture = finished(variants=("print.jpg", "web.webp:800"))
    assert picture.data is TEXTS
    key = picture.known.key
    assert [name for name, _ in picture.files] == [
        key,
        key.replace(".png", ".print.jpg"),
        key.replace(".png", ".web.webp"),
    ]
    assert [variant.name for variant in picture.known.variants] == ["print", "web"]
    for stored, (_, data) in zip(picture.known.variants, picture.files[1:], strict=True):
        assert (stored.bytes, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_job_may_ask_for_other_variants_or_for_none() -> None:
    assert finished(whose=_with(("thumb.jpg:99",)), variants=("print.jpg",)).known.variants[0].name == "thumb"
    assert finished(whose=_with(()), variants=("print.jpg",)).known.variants == ()


def _with(variants: tuple[str, ...]) -> Job:
    return JOB.model_copy(update={"spec": spec(variants=variants)})


def test_they_are_made_once() -> None:
    sandbox = FakeSandbox()
    finisher = Finisher(variants=("print.jpg",), sandbox=sandbox)  # type: ignore[arg-type]
    pictures = finisher.finish(JOB, (read(TEXTS),))
    assert finisher.finish(JOB, pictures) == pictures
    assert sandbox.asked == 1


def test_a_picture_of_which_none_can_be_made_is_stored_with_a_warning() -> None:
    picture = finished(variants=("print.jpg",), sandbox=FakeSandbox(Refused("takes too much time to decode")))
    assert picture.files == [(picture.known.key, TEXTS)]
    assert picture.warnings == (f"no variants were made of {picture.known.key}: it takes too much time to decode",)


def test_a_clean_copy_has_no_texts_and_the_original_is_kept_beside_it() -> None:
    picture = finished(clean=True)
    assert picture.data == PNG
    assert picture.known.sha256 == hashlib.sha256(PNG).hexdigest()
    [(_, _), (name, original)] = picture.files
    assert (name, original) == (picture.known.key.replace(".png", ".original.png"), TEXTS)
    assert picture.known.variants[0].sha256 == hashlib.sha256(TEXTS).hexdigest()


def test_the_original_may_be_left_out() -> None:
    assert finished(clean=True, keep_original=False).files == [(result_key(JOB, 0), PNG)]


def test_a_mark_alone_leaves_the_texts_and_marks_variants_too() -> None:
    picture = finished(source_type=TYPE, variants=("print.jpg", "web.webp"))
    assert b"a whole workflow" in picture.data
    assert all(TYPE.encode() in data for name, data in picture.files if ".original" not in name)
    assert picture.others[0].data == TEXTS


def test_a_mark_replaces_xmp_that_was_there() -> None:
    before = PNG[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<old/>") + PNG[33:]
    picture = finished(before, source_type=TYPE)
    assert b"<old/>" not in picture.data
    assert picture.data.count(b"XML:com.adobe.xmp") == 1


@pytest.mark.parametrize("settings", [{"clean": True}, {"source_type": TYPE}])
def test_a_manifest_that_a_copy_would_break_is_left_out(settings: dict[str, Any]) -> None:
    before = PNG[:33] + chunk(b"caBX", b"jumb") + PNG[33:]
    picture = finished(before, **settings)
    assert b"caBX" not in picture.data
    assert picture.others[0].data == before


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_picture_of_another_type_is_cleaned_and_marked_as_well(kind: str) -> None:
    data = saved(kind, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    media_type = f"image/{kind.lower()}"
    [picture] = Finisher(clean=True, source_type=TYPE).finish(JOB, (read(data, media_type),))
    assert TYPE.encode() in picture.data
    assert b"MM\0*" not in picture.data


def test_the_webhook_links_each_variant_and_says_nothing_of_them_where_there_are_none() -> None:
    done = JOB.model_copy(update={"state": State.SUCCEEDED, "finished_at": AT})
    images = (finished(variants=("print.jpg",)).known,)
    event = swap_event(done.model_copy(update={"images": images}), AT, lambda key: f"https://s.example/{key}")
    body = json.loads(event.to_json())["data"]["images"][0]
    assert body["variants"][0]["url"] == f"https://s.example/{body['variants'][0]['key']}"
    plain = swap_event(done.model_copy(update={"images": (read(PNG).known,)}), AT, str)
    assert "variants" not in json.loads(plain.to_json())["data"]["images"][0]
