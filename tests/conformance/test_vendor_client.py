"""Claims about the vendor client that hold over `responses` and over real HTTP against the simulator alike."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import responses

from support.vendor.client import V6, all_texts, spec
from support.vendor.worlds import MockedWorld, RealWorld, World
from swapline_producer.contract import FailureCode, Gender
from swapline_simulator import Simulator, SimulatorConfig, sample_photographs
from swapline_simulator.faults.modes import Mode, Stage
from swapline_workers.core.reply.picture import info_of, whole_picture
from swapline_workers.errors import (
    MisdirectedReply,
    NotFound,
    OutOfCredits,
    OutputInvalid,
    OutputMissing,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
    VendorError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOGRAPH = base64.b64encode(sample_photographs()[0]).decode()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SimulatorConfig(seed=1, service_time="fixed:0.05", results="small", cap=100)) as one:
        yield one


@pytest.fixture(params=["responses", "simulator"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "simulator":
        yield RealWorld(request.getfixturevalue("simulator"))
    else:
        with responses.RequestsMock() as mock:
            yield MockedWorld(mock)


def _job(world: World) -> str:
    return world.client().submit(spec(), PHOTOGRAPH).vendor_job_id


SUBMISSIONS: dict[str, type[VendorError]] = {
    "submit_401": Unauthorized,
    "submit_402": OutOfCredits,
    "submit_403": Unauthorized,
    "submit_404": NotFound,
    "submit_429": Throttled,
    "submit_429_seconds": Throttled,
    "submit_429_date": Throttled,
    "submit_500": Unclear,
    "submit_closed": Unclear,
    "submit_slow_accepted": Unclear,
    "submit_500_accepted": Unclear,
    "submit_504_accepted": Unclear,
    "submit_524_accepted": Unclear,
    "submit_closed_accepted": Unclear,
    "submit_cut_accepted": Unclear,
    "submit_not_json_accepted": Unclear,
    "submit_no_id_accepted": Unclear,
    "submit_long_id_accepted": Unclear,
}
POLLS: dict[str, type[VendorError]] = {
    "status_401": Unauthorized,
    "status_402": OutOfCredits,
    "status_403": Unauthorized,
    "status_429": Throttled,
    "status_429_seconds": Throttled,
    "status_429_date": Throttled,
    "status_500": Unclear,
    "status_504": Unclear,
    "status_524": Unclear,
    "status_not_json": Unclear,
    "status_long": Unclear,
    "status_closed": Unclear,
    "status_404_then_found": NotFound,
    "status_other_job": MisdirectedReply,
}
GOOD = ["ok", "two", "string", "data_uri", "charset", "url_safe", "object", "white_space", "other_order", "other_size"]
GOOD += ["jpeg", "webp"]
MISSING = ["missing", "empty"]
BAD = ["many", "not_base64", "cut_png", "corrupt_png", "html", "gzip_bomb", "huge"]
ENDED = {"failed": "FAILED", "cancelled": "CANCELLED", "timed_out": "TIMED_OUT"}


def test_every_mode_of_the_simulator_is_claimed_about() -> None:
    results = {f"result_{name}" for name in [*GOOD, *MISSING, *BAD, *ENDED]}
    by_name = {"submit_ok", "status_ok", "status_held", "status_held_pending", "status_held_cut", "status_drip"}
    by_name |= {"submit_interim_accepted", "submit_other_id_accepted", "status_interim"}
    by_name |= {"status_cut", "status_unknown", "status_404_after_ttl"}  # the last is the 404 of every other test
    assert {mode.value for mode in Mode} == results | by_name | SUBMISSIONS.keys() | POLLS.keys()
    assert len(Stage) == 3


def test_an_accepted_submission_gives_its_id_and_is_paid_once(world: World) -> None:
    accepted = world.client().submit(spec(), PHOTOGRAPH)
    assert accepted.vendor_job_id
    assert accepted.status == "IN_QUEUE"
    assert world.paid == 1


def test_what_is_sent_before_a_reply_is_passed_over(world: World) -> None:
    world.direct("submit_interim_accepted", "status_interim")
    job, statuses = _job(world), []
    while "COMPLETED" not in statuses:
        with world.client().poll(job, V6) as status_reply:
            statuses.append(status_reply.status)
            if status_reply.status == "COMPLETED":
                assert len(status_reply.pictures()) == 1
    assert world.paid == 1


def test_an_id_that_is_another_jobs_is_for_the_ledger_to_see(world: World) -> None:
    before = _job(world)
    world.direct("submit_other_id_accepted")
    assert _job(world) == before
    assert world.paid == 2


@pytest.mark.parametrize("mode", SUBMISSIONS)
def test_a_submission_that_fails_is_distinguished_and_never_sent_twice(world: World, mode: str) -> None:
    world.direct(mode, amount=2 if "429" in mode else 30)
    with pytest.raises(VendorError) as error:
        world.client(submit_timeout=1.0 if "slow" in mode else 30.0).submit(spec(), PHOTOGRAPH)
    assert type(error.value) is SUBMISSIONS[mode]
    assert PHOTOGRAPH[:48] not in all_texts(error.value)
    assert world.paid == (1 if mode.endswith("_accepted") else 0)


DOCUMENTED: dict[FailureCode, tuple[dict[str, Any], str]] = {
    FailureCode.FILTER_NOT_FOUND: ({"filter_id": 400}, PHOTOGRAPH),
    FailureCode.FILTER_BLOCKED: ({"filter_id": 250, "gender": Gender.GROUP}, PHOTOGRAPH),
    FailureCode.WORKFLOW_FETCH_FAILED: ({"filter_id": UUID(int=7)}, PHOTOGRAPH),
    FailureCode.INVALID_QUALITY_MODE: ({"quality_mode": "v9"}, PHOTOGRAPH),
    FailureCode.INVALID_IMAGE: ({}, base64.b64encode(b"not a picture").decode()),
}


@pytest.mark.parametrize("code", DOCUMENTED)
def test_the_five_documented_errors_are_refusals_with_their_code(world: World, code: FailureCode) -> None:
    fields, image = DOCUMENTED[code]
    with pytest.raises(Refused) as refusal:
        world.client().submit(spec().model_copy(update=fields), image)
    assert refusal.value.code is code
    assert refusal.value.evidence["status"] == (400 if code is FailureCode.INVALID_IMAGE else 422)
    assert world.paid == 0


def _throttled(world: World, stage: str, mode: str) -> float | None:
    job = _job(world)
    world.direct(f"{stage}_{mode}", amount=2)
    with pytest.raises(Throttled) as refusal, ExitStack() as stack:
        stack.enter_context(world.client().poll(job, V6)) if stage == "status" else _job(world)
    return refusal.value.retry_after


@pytest.mark.parametrize("stage", ["submit", "status"])
def test_retry_after_comes_through(world: World, stage: str) -> None:
    assert _throttled(world, stage, "429_seconds") == 2


@pytest.mark.parametrize("stage", ["submit", "status"])
def test_retry_after_may_be_absent(world: World, stage: str) -> None:
    assert _throttled(world, stage, "429") is None


@pytest.mark.parametrize("stage", ["submit", "status"])
def test_retry_after_may_be_a_date(world: World, stage: str) -> None:
    wait = _throttled(world, stage, "429_date")
    assert wait is not None
    assert 0 < wait <= 3


@pytest.mark.parametrize("mode", POLLS)
def test_a_poll_that_fails_is_distinguished(world: World, mode: str) -> None:
    job = _job(world)
    world.direct(mode)
    with pytest.raises(VendorError) as error, world.client().poll(job, V6):
        pass
    assert type(error.value) is POLLS[mode]


def test_404_then_found(world: World) -> None:
    job = _job(world)
    world.direct("status_404_then_found", amount=1)
    vendor = world.client()
    with pytest.raises(NotFound), vendor.poll(job, V6):
        pass
    with vendor.poll(job, V6) as status_reply:
        assert status_reply.status


@pytest.mark.parametrize("result", GOOD)
def test_pictures_come_in_every_shape_that_can_be_meant(world: World, result: str) -> None:
    world.direct("status_held", f"result_{result}")
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        pictures = status_reply.pictures()
    assert len(pictures) == (2 if result == "two" else 1)
    types = {"jpeg": "image/jpeg", "webp": "image/webp"}
    assert {info_of(picture).media_type for picture in pictures} == {types.get(result, "image/png")}
    assert [whole_picture(picture, inflate=True) for picture in pictures] == pictures


@pytest.mark.parametrize("result", MISSING)
def test_completed_without_a_picture_is_missing_output(world: World, result: str) -> None:
    world.direct("status_held", f"result_{result}")
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(OutputMissing):
            status_reply.pictures()


@pytest.mark.parametrize("result", BAD)
def test_completed_with_anything_else_than_whole_pictures_is_invalid_output(world: World, result: str) -> None:
    world.direct("status_held", f"result_{result}", amount=80)  # MiB or MB, for the two that must be given up
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(OutputInvalid):
            status_reply.pictures()


@pytest.mark.parametrize("result", ENDED)
def test_other_ends_are_the_vendors_words(world: World, result: str) -> None:
    world.direct("status_held", f"result_{result}")
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status == ENDED[result]
        assert bool(status_reply.failure) == (result == "failed")


def test_a_connection_that_is_cut_while_it_is_held_is_no_news(world: World) -> None:
    world.direct("status_held_cut", amount=0)
    with pytest.raises(Unclear), world.client().poll(_job(world), V6):
        pass


def test_a_status_that_is_not_terminal_may_come_after_a_while(world: World) -> None:
    world.direct("status_held_pending", amount=0)
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status in {"IN_QUEUE", "IN_PROGRESS"}


def test_an_unknown_status_is_passed_on(world: World) -> None:
    world.direct("status_unknown")
    with world.client().poll(_job(world), V6) as status_reply:
        assert status_reply.status == "WARMING_UP"


def test_a_body_that_breaks_off_is_no_news_about_its_pictures(world: World) -> None:
    job = _job(world)
    world.direct("status_held")
    with world.client().poll(job, V6):
        pass
    world.direct("status_cut")
    with world.client().poll(job, V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        with pytest.raises(Unclear):
            status_reply.pictures()


def test_a_body_that_drips_is_read_to_its_end(world: World) -> None:
    job = _job(world)
    world.direct("status_held")
    with world.client().poll(job, V6):
        pass
    world.direct("status_drip", amount=0.1)
    with world.client().poll(job, V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        assert len(status_reply.pictures()) == 1
