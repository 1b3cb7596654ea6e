from __future__ import annotations

from typing import Any

import pytest

from support.jobs.fakes import AT, FakePictures, FakeVendor, World, job
from swapline_producer.contract import FailureCode, State
from swapline_producer.errors import StorageUnavailable
from swapline_workers import errors
from swapline_workers.core.outcomes import Park, Stop
from swapline_workers.steps.submit import submit

REFUSED = [
    ("unauthorized", errors.Unauthorized("403: not this picture"), FailureCode.UNAUTHORIZED, 3),
    ("credits", errors.OutOfCredits("402: too dear"), FailureCode.OUT_OF_CREDITS, 3),
    ("address", errors.NotFound("404: not here"), FailureCode.VENDOR_REJECTED, 3),
    ("throttled", errors.Throttled("429: not so fast", retry_after=2.0), FailureCode.VENDOR_REJECTED, 5),
]


@pytest.mark.parametrize(("kind", "error", "code", "times"), REFUSED, ids=[one[0] for one in REFUSED])
def test_a_job_that_alone_is_refused_so_often_fails_uncharged_with_the_vendors_words(
    kind: str, error: errors.VendorError, code: FailureCode, times: int
) -> None:
    world = World(vendor=FakeVendor(submission=error))
    refused = job(State.SUBMITTING, refused_as=kind, own_refusals=times)
    assert submit(refused, AT, world.ports) == Stop("FAILED")
    end = world.session.last
    assert (end.fields["failure_code"], end.refund, end.trip) == (code, True, None)
    assert str(error) in str(end.fields["failure_detail"])


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (errors.Unauthorized("401"), {"refused_as": "unauthorized", "own_refusals": 2}),
        (errors.Unauthorized("401"), {"refused_as": "credits", "own_refusals": 9}),
        (errors.Throttled("429"), {"refused_as": "throttled", "own_refusals": 4}),
        (errors.NotSent("no route"), {"refused_as": "unreachable", "own_refusals": 99}),
    ],
    ids=["too few", "of another kind", "too few 429", "nothing was sent"],
)
def test_what_is_not_shown_to_be_the_jobs_own_is_tried_again(
    error: errors.VendorError, refused: dict[str, Any]
) -> None:
    world = World(vendor=FakeVendor(submission=error))
    assert isinstance(submit(job(State.SUBMITTING, **refused), AT, world.ports), Park)
    assert world.session.last.trip is not None


def test_an_input_that_alone_cannot_be_read_so_often_fails_its_job_and_no_call_is_made() -> None:
    world = World(pictures=FakePictures(broken=StorageUnavailable("an input/output error")))
    refused = job(State.SUBMITTING, refused_as="input", own_refusals=5)
    assert submit(refused, AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.STORAGE_FAILED
    assert world.vendor.submitted == []
