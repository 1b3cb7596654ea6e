from __future__ import annotations

import hashlib
import io
import json

import pytest
from PIL import Image

from support.jobs.fakes import AT, FakePictures, FakeStatusReply, FakeVendor, World, job
from support.pictures.pngs import grey_png
from swapline_producer.contract import FailureCode, Job, State, Step, StoredPicture
from swapline_producer.errors import LedgerUnavailable, StorageUnavailable
from swapline_producer.storage.keys import receipt_key, result_key
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Again, Next, Retry, Stop
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.poll import poll

AWAY = StorageUnavailable("away")
UNASKED = AssertionError("the vendor must not be asked")


def completed(picture: bytes, *, webhook_url: str | None = None, **parts: object) -> tuple[World, Job]:
    """A job whose pictures were read by this process; the vendor must not be asked again."""
    world = World(vendor=FakeVendor(seen=FakeStatusReply("COMPLETED", [picture])), **parts)  # type: ignore[arg-type]
    outcome = poll(job(State.RUNNING, webhook_url=webhook_url), AT, world.ports)
    assert isinstance(outcome, Next)
    world.vendor.seen = UNASKED
    return world, outcome.job


def asking(seen: FakeStatusReply | Exception, **parts: object) -> World:
    """A process that has no pictures in memory."""
    return World(vendor=FakeVendor(seen=seen), **parts)  # type: ignore[arg-type]


def test_pictures_are_stored_from_memory_as_they_are_and_the_receipt_comes_last() -> None:
    picture = grey_png()
    world, ready = completed(picture)
    assert finalize(ready, AT, world.ports) == Stop("SUCCEEDED")
    key = result_key(ready, 0)
    digest = hashlib.sha256(picture).hexdigest()
    stored = StoredPicture(key=key, sha256=digest, bytes=len(picture), width=1200, height=1800)
    assert world.session.last.fields["images"] == (stored,)
    assert "polls" not in world.session.last.count
    assert list(world.pictures.objects) == [key, receipt_key(ready)]
    assert world.pictures.objects[key] == picture
    receipt = json.loads(world.pictures.objects[receipt_key(ready)])
    assert (receipt["images"], receipt["credits"]) == ([stored.model_dump()], 2)


def test_where_the_pictures_are_not_in_memory_the_vendor_is_asked_again() -> None:
    world = asking(FakeStatusReply("COMPLETED", [grey_png()]))
    assert finalize(job(State.STORING, polls=3), AT, world.ports) == Stop("SUCCEEDED")
    assert (world.session.last.fields["polls"], world.session.last.count["polls"]) == (4, 1)
    assert world.pictures.objects[result_key(job(), 0)] == grey_png()


@pytest.mark.parametrize("other", [{"vendor_job_id": "another"}, {"version": 9}, {"job_id": "1" * 32}])
def test_pictures_of_another_job_submission_or_version_are_never_stored(other: dict[str, object]) -> None:
    world, ready = completed(grey_png(640, 480))
    world.vendor.seen = FakeStatusReply("COMPLETED", [grey_png()])
    mine = ready.model_copy(update=other)
    finalize(mine, AT, world.ports)
    assert world.pictures.objects[result_key(mine, 0)] == grey_png()


def test_a_picture_of_another_size_is_kept_with_a_warning() -> None:
    world, ready = completed(grey_png(640, 480))
    finalize(ready, AT, world.ports)
    assert world.session.last.to is State.SUCCEEDED
    assert world.session.last.data == {"warnings": [f"{result_key(ready, 0)} is 640x480; 1200x1800 was expected"]}


@pytest.mark.parametrize(
    ("kind", "suffix", "media_type"), [("JPEG", "jpg", "image/jpeg"), ("WEBP", "webp", "image/webp")]
)
def test_a_paid_picture_of_another_type_is_stored_under_its_own_with_a_warning(
    kind: str, suffix: str, media_type: str
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (1200, 1800)).save(out, kind)
    world, ready = completed(out.getvalue())
    assert finalize(ready, AT, world.ports) == Stop("SUCCEEDED")
    key = result_key(ready, 0, media_type)
    assert key.endswith(f"/0.{suffix}")
    assert world.pictures.objects[key] == out.getvalue()
    assert world.session.last.data == {"warnings": [f"{key} is {media_type}; image/png was expected"]}


def test_the_webhook_is_the_next_step() -> None:
    world, ready = completed(grey_png(), webhook_url="https://example.com/h")
    outcome = finalize(ready, AT, world.ports)
    assert isinstance(outcome, Next)
    assert outcome.step is Step.NOTIFY


def test_a_store_that_is_away_is_tried_again_with_the_pictures_kept() -> None:
    world, ready = completed(grey_png())
    world.pictures.broken = AWAY
    assert finalize(ready.model_copy(update={"retries": 3}), AT, world.ports) == Retry(8.0, "away")
    again = ready.model_copy(update={"version": ready.version + 1, "retries": 4})
    world.pictures.broken = None
    assert finalize(again, AT, world.ports) == Stop("SUCCEEDED")  # the vendor was not asked


def test_a_ledger_that_is_away_after_storing_leaves_the_pictures_for_the_next_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise LedgerUnavailable("away")

    world, ready = completed(grey_png())
    with monkeypatch.context() as gone:
        gone.setattr(world.session, "advance", away)
        with pytest.raises(LedgerUnavailable):
            finalize(ready, AT, world.ports)
    assert finalize(ready, AT, world.ports) == Stop("SUCCEEDED")


def test_what_another_process_finished_is_dropped_and_the_place_is_free() -> None:
    world, ready = completed(grey_png())
    world.session.stale_after = len(world.session.changes)
    assert finalize(ready, AT, world.ports) == STALE
    assert world.session.left == [ready.job_id]
    assert not world.memory.has(ready)


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING, State.RUNNING, State.HELD, State.SUCCEEDED])
def test_nothing_is_stored_in_any_other_state(state: State) -> None:
    assert isinstance(finalize(job(state), AT, asking(UNASKED).ports), Stop)


@pytest.mark.parametrize(
    ("reply", "store", "counted"),
    [
        (errors.Unclear("cut"), None, "polls.failed"),
        (FakeStatusReply("COMPLETED", errors.Unclear("cut")), None, "polls.failed"),
        (FakeStatusReply("COMPLETED", errors.OutputInvalid("half")), None, "polls.failed"),
        (errors.MisdirectedReply("it names 'job-2'"), None, "polls.misdirected"),
        (FakeStatusReply("COMPLETED", errors.MisdirectedReply("job-2")), None, "polls.misdirected"),
        (FakeStatusReply("COMPLETED", [grey_png()]), AWAY, "store_retries"),
    ],
)
def test_the_vendors_failures_are_not_counted_as_the_stores(
    reply: FakeStatusReply | Exception, store: Exception | None, counted: str
) -> None:
    world = asking(reply, pictures=FakePictures(broken=store))
    assert isinstance(finalize(job(State.STORING), AT, world.ports), Retry)
    failed = {} if counted == "store_retries" else {"polls.failed": 1}
    assert world.session.last.count == {"polls": 1, **failed, counted: 1}


# -- what the vendor says when it is asked again


def test_a_connection_cut_in_the_pictures_is_tried_again() -> None:
    world = asking(FakeStatusReply("COMPLETED", errors.Unclear("cut")))
    assert finalize(job(State.STORING, retries=500), AT, world.ports) == Retry(60.0, "cut")


def test_429_waits_as_long_as_the_vendor_wants() -> None:
    world = asking(errors.Throttled("slow", retry_after=17))
    assert finalize(job(State.STORING), AT, world.ports) == Retry(17, "slow")


def test_a_job_that_the_vendor_forgets_is_lost_the_third_time_in_a_row() -> None:
    world, old = asking(errors.NotFound("unknown")), AT - 61_000
    assert isinstance(finalize(job(State.STORING, not_found=1, submitted_at=old), AT, world.ports), Retry)
    assert world.session.last.fields["not_found"] == 2
    assert finalize(job(State.STORING, not_found=2, submitted_at=old), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.LOST


def test_a_job_asked_for_again_that_the_vendor_still_works_on_runs_and_has_its_whole_time() -> None:
    world = asking(FakeStatusReply("IN_PROGRESS"))
    outcome = finalize(job(State.STORING, terminal_at=None, run_until=AT - 1), AT, world.ports)
    assert isinstance(outcome, Again)
    change = world.session.last
    assert (change.to, change.due_by, change.stamps["run_until"]) == (State.RUNNING, "run_until", 60)


def test_completed_that_is_taken_back_is_asked_again_until_the_run_timeout_is_over() -> None:
    world = asking(FakeStatusReply("IN_PROGRESS"))
    assert isinstance(finalize(job(State.STORING), AT, world.ports), Retry)
    assert world.session.last.to is State.STORING  # it takes no slot again
    assert finalize(job(State.STORING, run_until=AT), AT, world.ports) == Stop("TIMED_OUT")
    assert world.session.last.fields["failure_code"] == FailureCode.RUN_TIMEOUT


def test_a_job_that_turns_out_to_be_done_knows_since_when() -> None:
    world = asking(FakeStatusReply("COMPLETED", [grey_png()]))
    finalize(job(State.STORING, terminal_at=None), AT, world.ports)
    assert (world.session.last.fields["terminal_at"], world.session.last.fields["vendor_status"]) == (AT, "COMPLETED")
    assert json.loads(world.pictures.objects[receipt_key(job())])["terminal_at"] == AT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.OutputMissing("no picture"), FailureCode.OUTPUT_MISSING),
        (errors.OutputInvalid("no PNG"), FailureCode.OUTPUT_INVALID),
        (errors.TooManyPictures("17 pictures"), FailureCode.OUTPUT_TOO_MANY),
    ],
)
def test_a_bad_output_is_believed_the_third_time_in_a_row_whatever_else_failed(error: Exception, code: str) -> None:
    world = asking(FakeStatusReply("COMPLETED", error))
    assert isinstance(finalize(job(State.STORING, retries=50), AT, world.ports), Retry)
    assert isinstance(finalize(job(State.STORING, bad_outputs=1), AT, world.ports), Retry)
    assert finalize(job(State.STORING, bad_outputs=2), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == code


def test_failed_after_completed_fails_the_job_under_the_vendors_code() -> None:
    world = asking(FakeStatusReply("FAILED", failure="FILTER_BLOCKED"))
    assert finalize(job(State.STORING), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.FILTER_BLOCKED


# -- the deadline, and the receipt


def test_what_cannot_be_stored_in_time_ends_after_one_last_try() -> None:
    long_ago = AT - 3_600_000
    world = World(
        vendor=FakeVendor(seen=FakeStatusReply("COMPLETED", [grey_png()])), pictures=FakePictures(broken=AWAY)
    )
    assert finalize(job(State.STORING, storing_since=long_ago), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.STORE_TIMEOUT
    world.pictures.broken = None
    assert finalize(job(State.STORING, storing_since=long_ago), AT, world.ports) == Stop("SUCCEEDED")


ENDS = [
    FakeStatusReply("FAILED"),
    errors.NotFound("unknown"),
    FakeStatusReply("IN_PROGRESS"),
    FakeStatusReply("COMPLETED", errors.OutputMissing("no picture")),
]


def at_its_end(**values: str) -> Job:
    """A job of which the next try is the last, whatever goes wrong."""
    return job(State.STORING, not_found=2, bad_outputs=2, submitted_at=AT - 61_000, run_until=AT).model_copy(
        update=values
    )


@pytest.mark.parametrize("seen", ENDS)
def test_a_job_whose_receipt_is_there_has_succeeded_whatever_the_vendor_says(seen: FakeStatusReply | Exception) -> None:
    world, ready = completed(grey_png())
    finalize(ready, AT, world.ports)  # and its worker dies before it can write it
    stored = world.session.last.fields["images"]
    world.vendor.seen = seen
    assert finalize(at_its_end(), AT, world.ports) == Stop("SUCCEEDED")
    assert world.session.last.fields["images"] == stored


@pytest.mark.parametrize("seen", ENDS)
@pytest.mark.parametrize("wrong", ["gone", "another submission's", "broken", "a picture is missing"])
def test_a_receipt_that_does_not_hold_is_not_believed(seen: FakeStatusReply | Exception, wrong: str) -> None:
    world, ready = completed(grey_png())
    finalize(ready, AT, world.ports)
    objects, receipt = world.pictures.objects, receipt_key(ready)
    if wrong == "gone":
        del objects[receipt]
    elif wrong == "broken":
        objects[receipt] = objects[receipt][:50]
    elif wrong == "a picture is missing":
        del objects[result_key(ready, 0)]
    world.vendor.seen = seen
    last = at_its_end(**({"vendor_job_id": "other"} if wrong.startswith("another") else {}))
    assert finalize(last, AT, world.ports) in {Stop("FAILED"), Stop("TIMED_OUT")}


def test_whether_a_receipt_is_there_is_asked_until_the_store_answers() -> None:
    world = asking(errors.NotFound("unknown"), pictures=FakePictures(broken=AWAY))
    assert isinstance(finalize(at_its_end(), AT, world.ports), Retry)
