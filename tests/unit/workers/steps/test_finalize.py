from __future__ import annotations

import hashlib
import json

from support.fakes import AT, FakePictures, FakeSession, World, job, png
from swapline_producer.contract import State, Step, StoredPicture
from swapline_producer.errors import StorageUnavailable
from swapline_workers.core.outcomes import STALE, Next, Retry, Stop
from swapline_workers.steps.finalize import finalize

KEY = f"staging/{'0' * 32}/0"


def staged(picture: bytes) -> World:
    return World(pictures=FakePictures({KEY: picture}))


def test_a_staged_picture_is_stored_as_it_is_with_a_receipt_and_the_stage_is_cleared() -> None:
    picture = png()
    world = staged(picture)
    assert finalize(job(State.STORING, staged=1), AT, world.ports) == Stop("SUCCEEDED")
    key = f"results/{'0' * 32}/0.png"
    stored = StoredPicture(
        key=key,
        sha256=hashlib.sha256(picture).hexdigest(),
        bytes=len(picture),
        width=1200,
        height=1800,
    )
    assert world.session.last.fields["images"] == (stored,)
    assert world.pictures.objects[key] == picture
    assert KEY not in world.pictures.objects
    receipt = json.loads(world.pictures.objects[f"results/{'0' * 32}/receipt.json"])
    assert (receipt["images"], receipt["credits"]) == ([stored.model_dump()], 2)


RESULT = f"results/{'0' * 32}/0.png"
CHECKED = StoredPicture(key=RESULT, sha256="ab" * 32, bytes=len(png()), width=1200, height=1800)


def test_what_was_checked_when_it_was_staged_becomes_a_result_unread() -> None:
    world = staged(png())
    world.pictures.unread = True
    assert finalize(job(State.STORING, staged=1, checked=(CHECKED,)), AT, world.ports) == Stop("SUCCEEDED")
    assert world.session.last.fields["images"] == (CHECKED,)
    assert world.session.last.fields["checked"] is None
    assert world.pictures.objects[RESULT] == png()
    receipt = json.loads(world.pictures.objects[f"results/{'0' * 32}/receipt.json"])
    assert receipt["images"] == [CHECKED.model_dump()]


def test_a_stage_of_another_length_than_was_checked_is_filled_again() -> None:
    world = staged(png()[:-1])
    assert isinstance(finalize(job(State.STORING, staged=1, checked=(CHECKED,)), AT, world.ports), Retry)
    assert world.session.last.fields["staged"] is None
    assert world.session.last.fields["checked"] is None


def test_a_picture_of_another_size_is_kept_with_a_warning() -> None:
    world = staged(png(640, 480))
    finalize(job(State.STORING, staged=1), AT, world.ports)
    assert world.session.last.to is State.SUCCEEDED
    assert world.session.last.data == {"warnings": [f"results/{'0' * 32}/0.png is 640x480; 1200x1800 was expected"]}


def test_the_customer_is_told_next() -> None:
    world = staged(png())
    outcome = finalize(job(State.STORING, staged=1, webhook_url="https://example.com/h"), AT, world.ports)
    assert isinstance(outcome, Next)
    assert outcome.step is Step.NOTIFY


def test_a_store_that_is_away_is_tried_again_with_the_stage_kept() -> None:
    world = World(pictures=FakePictures({KEY: png()}, broken=StorageUnavailable("away")))
    outcome = finalize(job(State.STORING, staged=1, retries=3), AT, world.ports)
    assert outcome == Retry(8.0, "away")
    assert "staged" not in world.session.last.fields


def test_a_stage_that_is_gone_or_broken_is_filled_again_by_another_look() -> None:
    for world in (World(), staged(b"not a png")):
        assert isinstance(finalize(job(State.STORING, staged=1), AT, world.ports), Retry)
        assert world.session.last.fields["staged"] is None


def test_a_stage_that_somebody_else_finished_is_left_alone() -> None:
    world = World(pictures=FakePictures({KEY: png()}), session=FakeSession(stale_after=0))
    assert finalize(job(State.STORING, staged=1), AT, world.ports) == STALE
    assert KEY in world.pictures.objects
