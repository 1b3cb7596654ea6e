"""Every mode of the simulated vendor, as a client on the other end of the wire meets it."""

from __future__ import annotations

import json
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from support.vendor.simulator_caller import DIGEST, Caller, calling, error, picture
from swapline_simulator import Mode, Simulator, SimulatorConfig
from swapline_simulator.api.results import ENDINGS
from swapline_simulator.faults.modes import MODES, Stage
from swapline_simulator.pytest_plugin import FOR_TESTS

if TYPE_CHECKING:
    from collections.abc import Generator

NEVER = "fixed:3600"
"""A service time that no test waits for."""
GATEWAY = ["401", "402", "403", "429", "500", "504", "524"]


@pytest.fixture
def caller(swapline_simulator: Simulator) -> Generator[Caller]:
    with calling(swapline_simulator) as made:
        yield made


def charges(caller: Caller) -> tuple[int, int]:
    """Submissions that were accepted, and credits that were spent on the photograph."""
    report = caller.vendor.control.report()
    line = report.images.get(DIGEST)
    return report.accepted, line.credits if line else 0


# Submit


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.stage is Stage.SUBMIT])
def test_whether_a_submission_is_charged_is_what_the_name_of_its_mode_says(caller: Caller, mode: Mode) -> None:
    caller.vendor.control.set_mode(mode, amount=0)
    with suppress(requests.RequestException):  # some modes answer nothing
        caller.submit()
    assert charges(caller) == ((1, 2) if mode.accepts else (0, 0))


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.stage is Stage.SUBMIT and mode.kind[:3] in GATEWAY])
def test_a_submission_is_answered_with_the_number_of_its_mode(caller: Caller, mode: Mode) -> None:
    caller.vendor.control.set_mode(mode)
    assert caller.submit().status_code == int(mode.kind[:3])


@pytest.mark.parametrize("mode", [Mode.SUBMIT_CLOSED, Mode.SUBMIT_CLOSED_ACCEPTED, Mode.SUBMIT_CUT_ACCEPTED])
def test_a_submission_may_receive_nothing_or_half(caller: Caller, mode: Mode) -> None:
    caller.vendor.control.set_mode(mode)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        caller.submit()


def test_a_submission_may_be_answered_with_a_page_or_without_an_id(caller: Caller) -> None:
    caller.vendor.control.change(
        mode=[
            {"mode": "submit_not_json_accepted", "next_submissions": 1},
            {"mode": "submit_no_id_accepted", "next_submissions": 1},
        ]
    )
    page, bare = caller.submit(), caller.submit()
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
    assert bare.json() == {"status": "IN_QUEUE"}


def test_a_slow_submission_is_accepted_before_it_is_answered(caller: Caller) -> None:
    caller.vendor.control.set_mode(Mode.SUBMIT_SLOW_ACCEPTED, amount=60)
    with pytest.raises(requests.ReadTimeout):
        caller.session.post(
            f"{caller.vendor.url}/v6/run/face_swap",
            json={"base64": "https://example.com/me.jpg", "gender": 0, "filter_id": 1},
            timeout=(5, 0.5),
        )
    assert caller.vendor.control.report().accepted == 1


@pytest.mark.parametrize("stage", ["submit", "status"])
def test_retry_after_comes_in_seconds_as_a_date_or_not_at_all(caller: Caller, stage: str) -> None:
    headers = []
    job = caller.accepted()
    for mode in (f"{stage}_429", f"{stage}_429_seconds", f"{stage}_429_date"):
        caller.vendor.control.set_mode(mode, amount=90)
        reply = caller.submit() if stage == "submit" else caller.poll(job)
        headers.append(reply.headers.get("Retry-After"))
    assert headers[:2] == [None, "90"]
    wait = parsedate_to_datetime(headers[2] or "").timestamp() - caller.vendor.control.report().now / 1000
    assert 80 < wait <= 91


# Status


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.stage is Stage.STATUS and mode.kind[:3] in GATEWAY])
def test_a_poll_is_answered_with_the_number_of_its_mode(caller: Caller, mode: Mode) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(mode)
    assert caller.poll(job).status_code == int(mode.kind[:3])


@pytest.mark.parametrize("mode", [Mode.STATUS_504, Mode.STATUS_524, Mode.STATUS_NOT_JSON])
def test_a_poll_may_be_answered_with_a_page(caller: Caller, mode: Mode) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(mode)
    assert caller.poll(job).headers["Content-Type"] == "text/html"


@pytest.mark.swapline_simulator(service_time="fixed:0.4")
def test_a_poll_may_be_held_until_the_job_is_done(caller: Caller) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(Mode.STATUS_HELD)
    reply = caller.poll(job)
    assert reply.json()["status"] == "COMPLETED"
    (line,) = caller.vendor.control.report().jobs
    assert line.done_at is not None
    assert line.first_seen_done_at is not None
    assert 0 <= line.first_seen_done_at - line.done_at < 1000  # even on a machine that is busy
    assert line.polls == 1


@pytest.mark.swapline_simulator(service_time=NEVER, cap=0, over_cap="queue")
def test_a_held_poll_ends_when_a_job_that_had_to_queue_is_done(caller: Caller) -> None:
    job = caller.accepted()
    caller.vendor.control.change(cap=1, service_time="fixed:0.05", mode="status_held_pending=0.1")
    assert caller.poll(job).json()["status"] == "IN_QUEUE"  # it keeps the service time it was given


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_poll_may_be_held_for_a_time_and_then_not_be_terminal(caller: Caller) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(Mode.STATUS_HELD_PENDING, amount=0.3)
    reply = caller.poll(job)
    assert reply.json()["status"] == "IN_QUEUE"
    assert reply.elapsed.total_seconds() >= 0.3


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_poll_may_be_held_and_then_cut(caller: Caller) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(Mode.STATUS_HELD_CUT, amount=0.1)
    with pytest.raises(requests.ConnectionError, match="without response"):
        caller.poll(job)


@pytest.mark.parametrize("mode", [Mode.STATUS_HELD_PENDING, Mode.STATUS_HELD_CUT])
def test_a_poll_that_would_be_held_is_answered_when_the_job_is_done_in_time(caller: Caller, mode: Mode) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(mode, amount=60)
    assert caller.poll(job).json()["status"] == "COMPLETED"


@pytest.mark.parametrize("mode", [Mode.STATUS_CLOSED, Mode.STATUS_CUT])
def test_a_poll_may_receive_nothing_or_half(caller: Caller, mode: Mode) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(mode)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        caller.poll(job)


def test_a_body_may_drip(caller: Caller) -> None:
    job = caller.accepted()
    whole = caller.wait(job).content
    caller.vendor.control.set_mode(Mode.STATUS_DRIP, amount=0.4)
    with caller.poll(job, stream=True) as reply:
        pieces = list(reply.iter_content(chunk_size=None))
    assert b"".join(pieces) == whole


@pytest.mark.swapline_simulator(service_time=NEVER, mode="status_unknown")
def test_the_status_may_be_a_word_that_no_page_names(caller: Caller) -> None:
    assert caller.poll(caller.accepted()).json()["status"] == "WARMING_UP"


@pytest.mark.swapline_simulator(mode="status_404_then_found=2")
def test_a_job_may_be_unknown_at_first(caller: Caller) -> None:
    job = caller.accepted()
    assert [caller.poll(job).status_code for _ in range(3)] == [404, 404, 200]


def test_a_result_may_be_forgotten_soon(caller: Caller) -> None:
    job = caller.accepted()
    caller.wait(job)
    caller.vendor.control.set_mode(Mode.STATUS_404_AFTER_TTL, amount=0)
    assert error(caller.poll(job)) == (404, "JOB_NOT_FOUND")


@pytest.mark.swapline_simulator(result_ttl=0.001)
def test_a_result_is_forgotten_when_its_time_is_over(caller: Caller) -> None:
    first = caller.accepted()
    caller.wait(first)
    caller.wait(caller.accepted())  # which takes longer than the first is kept
    assert caller.poll(first).status_code == 404


# Result


@pytest.mark.parametrize("mode", sorted(ENDINGS))
def test_a_job_may_end_without_a_picture(caller: Caller, mode: Mode) -> None:
    caller.vendor.control.set_mode(mode)
    body = caller.wait(caller.accepted()).json()
    assert (body["status"], "output" in body) == (ENDINGS[mode].value, False)


@pytest.mark.parametrize("mode", [Mode.RESULT_CUT_PNG, Mode.RESULT_CORRUPT_PNG, Mode.RESULT_JPEG, Mode.RESULT_HTML])
def test_a_result_may_be_no_whole_png_of_the_job(caller: Caller, mode: Mode) -> None:
    job = caller.accepted()
    right = picture(caller.wait(job))
    caller.vendor.control.set_mode(mode, job=job)
    assert picture(caller.poll(job)) != right


def test_a_huge_result_is_streamed_without_saying_how_long_it_is(caller: Caller) -> None:
    caller.vendor.control.set_mode(Mode.RESULT_HUGE)
    job = caller.accepted()
    caller.wait(job).close()
    with caller.poll(job, stream=True) as reply:
        size = sum(map(len, reply.iter_content(chunk_size=2**20)))
    assert "Content-Length" not in reply.headers
    assert size > MODES[Mode.RESULT_HUGE].amount * 1e6


def test_a_gzip_bomb_is_small_on_the_wire(caller: Caller) -> None:
    caller.vendor.control.set_mode(Mode.RESULT_GZIP_BOMB, amount=64)
    job = caller.accepted()
    caller.vendor.control.set_mode(Mode.STATUS_HELD)
    connection = HTTPConnection(urlsplit(caller.vendor.url).netloc, timeout=30)
    connection.request("POST", f"/v6/status/{job}", headers={"X-API-Key": caller.vendor.config.key})
    reply = connection.getresponse()
    packed = reply.read()
    connection.close()
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 80_000
    assert len(caller.poll(job).content) > 64 * 2**20


@pytest.mark.parametrize("mode", ["result_huge", "status_drip=60"])
def test_a_caller_may_hang_up_in_the_middle_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    config = SimulatorConfig.model_validate(FOR_TESTS | {"mode": mode})
    with Simulator(config) as vendor, calling(vendor) as caller:
        job = caller.accepted()
        caller.wait(job).close()
        with caller.poll(job, stream=True) as reply:
            next(reply.iter_content(1))
    assert caplog.records == []


def test_a_string_for_pictures_is_still_json(caller: Caller) -> None:
    caller.vendor.control.set_mode(Mode.RESULT_STRING)
    assert isinstance(json.loads(caller.wait(caller.accepted()).content)["output"]["images"], str)
