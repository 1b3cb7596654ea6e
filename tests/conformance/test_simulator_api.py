"""The simulated vendor over real HTTP, held to the vendor's page."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image, ImageChops

from support.jobs.factories import PHOTOGRAPH
from support.vendor.simulator_caller import DIGEST, NEVER, TEXT, Caller, error, picture

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_simulator import Simulator


@pytest.mark.parametrize("version", ["v6", "v5"])
@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1200, 1800)),
        ({"ratio": "portrait"}, (1200, 1800)),
        ({"ratio": "landscape"}, (1800, 1200)),
        ({"ratio": "square"}, (1280, 1280)),
    ],
)
def test_a_photograph_becomes_a_png_of_the_size_of_its_ratio(
    caller: Caller, version: str, fields: dict[str, str], size: tuple[int, int]
) -> None:
    job = caller.accepted(version, **fields)
    with Image.open(BytesIO(picture(caller.wait(job, version)))) as opened:
        assert (opened.format, opened.size) == ("PNG", size)


@pytest.mark.swapline_simulator(results="full")
def test_a_url_stands_for_a_drawn_face_which_is_swapped(caller: Caller) -> None:
    pictures = []
    for name in ("one", "other"):
        job = caller.accepted(base64=f"https://example.com/{name}.jpg", ratio="square", filter_id=5)
        with Image.open(BytesIO(picture(caller.wait(job)))) as opened:
            pictures.append(opened.convert("RGB").resize((64, 64)))
    different = ImageChops.difference(*pictures).convert("L").point([255 * (value > 8) for value in range(256)])
    box = different.getbbox()
    assert box
    assert (box[0] > 12, box[1] > 10, box[2] < 52, box[3] < 50) == (True, True, True, True)  # the face, and no more


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_submission_is_answered_with_an_id_and_in_queue_in_the_order_of_the_page(caller: Caller) -> None:
    reply = caller.submit()
    assert list(reply.json()) == ["id", "status"]
    assert reply.json()["status"] == "IN_QUEUE"
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_job_that_is_not_done_is_reported_at_once(caller: Caller) -> None:
    job = caller.accepted()
    assert caller.poll(job).json() == {"id": job, "status": "IN_QUEUE"}


def test_a_completed_job_is_reported_in_the_order_of_the_page(caller: Caller) -> None:
    job = caller.accepted()
    reply = caller.wait(job)
    assert reply.text.startswith(f'{{"id":"{job}","status":"COMPLETED","output":{{"images":["iVBORw0KGgo')
    assert reply.text.endswith('"]}}')


def test_a_result_is_the_same_at_every_poll(caller: Caller) -> None:
    job = caller.accepted()
    assert caller.wait(job).content == caller.poll(job).content


@pytest.mark.swapline_simulator(results="full")
def test_a_full_result_has_megabytes(caller: Caller) -> None:
    assert len(picture(caller.wait(caller.accepted()))) > 3_000_000


@pytest.mark.swapline_simulator(fail_rate=1)
def test_a_failed_job_is_reported_without_output(caller: Caller) -> None:
    body = caller.wait(caller.accepted()).json()
    assert (body["status"], "output" in body) == ("FAILED", False)


@pytest.mark.parametrize(("mine", "other"), [("v6", "v5"), ("v5", "v6")])
def test_a_job_of_one_version_is_unknown_to_the_other(caller: Caller, mine: str, other: str) -> None:
    assert error(caller.poll(caller.accepted(mine), other)) == (404, "JOB_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"gender": 4, "filter_id": 250}, (422, "FILTER_BLOCKED")),
        ({"gender": 4, "filter_id": "3f2a9c1e-0000-4000-8000-000000000006"}, (422, "FILTER_BLOCKED")),
        ({"filter_id": 900}, (422, "FILTER_NOT_FOUND")),
        ({"filter_id": "00000000-0000-4000-8000-000000000006"}, (422, "WORKFLOW_FETCH_FAILED")),
        ({"quality_mode": "v7"}, (422, "INVALID_QUALITY_MODE")),
        ({"base64": ""}, (400, "INVALID_IMAGE")),
        ({"base64": "not base64"}, (400, "INVALID_IMAGE")),
        ({"base64": TEXT[:40] + "\n" + TEXT[40:]}, (400, "INVALID_IMAGE")),
        ({"base64": "aGVsbG8="}, (400, "INVALID_IMAGE")),
        ({"base64": base64.b64encode(PHOTOGRAPH[:9000]).decode()}, (400, "INVALID_IMAGE")),
        ({"base64": "https://no-such-host.invalid/me.jpg"}, (400, "INVALID_IMAGE")),
        ({"base64": "http://[broken"}, (400, "INVALID_IMAGE")),
        ({"base64": "http://127.0.0.1:1/me.jpg"}, (400, "INVALID_IMAGE")),
    ],
)
def test_every_error_of_the_page_is_given_and_nothing_is_charged(
    caller: Caller, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert error(caller.submit(**fields)) == answer
    report = caller.vendor.control.report()
    assert (report.credits_spent, report.accepted, report.refused) == (0, 0, {answer[1]: 1})


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]"])
def test_a_body_that_is_no_json_object_is_refused(caller: Caller, raw: bytes) -> None:
    reply = caller.session.post(f"{caller.vendor.url}/v6/run/face_swap", data=raw, timeout=30)
    assert error(reply) == (400, "INVALID_REQUEST")


def test_a_body_larger_than_the_host_takes_is_refused(caller: Caller) -> None:
    assert caller.submit(base64="A" * 13_000_000).status_code == 413


@pytest.mark.parametrize("path", ["run/face_swap", "status/job-1"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": "ké"}, {"Authorization": "sim-key"}])
def test_without_the_right_key_nothing_is_reported(
    swapline_simulator: Simulator, path: str, headers: dict[str, str]
) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    reply = requests.post(f"{swapline_simulator.url}/v6/{path}", headers=encoded, json={}, timeout=30)
    assert error(reply) == (401, "UNAUTHORIZED")
    assert swapline_simulator.control.report().unauthorized == 1


@pytest.mark.swapline_simulator(key="secret", key_header="Authorization", key_prefix="Bearer ")
def test_the_key_its_header_and_its_prefix_can_be_chosen(caller: Caller) -> None:
    assert caller.submit().status_code == 401
    caller.session.headers["Authorization"] = "Bearer secret"
    assert caller.submit().status_code == 200


class OnePhotograph(BaseHTTPRequestHandler):
    """Gives the photograph, whatever is asked for; redirects `/moved` to it."""

    def do_GET(self) -> None:
        moved = self.path == "/moved"
        self.send_response(302 if moved else 200)
        self.send_header("Location", "/me.jpg")
        self.send_header("Content-Length", "0" if moved else str(len(PHOTOGRAPH)))
        self.end_headers()
        self.wfile.write(b"" if moved else PHOTOGRAPH)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def somewhere() -> Generator[str]:
    """A server of photographs on this machine."""
    with HTTPServer(("127.0.0.1", 0), OnePhotograph) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})  # it stops as soon as that
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_picture_on_this_machine_is_fetched(caller: Caller, somewhere: str) -> None:
    caller.accepted(base64=f"{somewhere}/me.jpg")
    (job,) = caller.vendor.control.report().jobs
    assert (job.image_sha256, job.image_url) == (DIGEST, f"{somewhere}/me.jpg")


def test_a_redirect_is_not_followed(caller: Caller, somewhere: str) -> None:
    assert error(caller.submit(base64=f"{somewhere}/moved")) == (400, "INVALID_IMAGE")


def test_a_picture_anywhere_else_is_drawn_and_not_fetched(caller: Caller) -> None:
    one, same, other = (caller.accepted(base64=f"https://example.com/{name}.jpg") for name in "aab")
    assert picture(caller.wait(one)) == picture(caller.wait(same)) != picture(caller.wait(other))


@pytest.mark.swapline_simulator(service_time=NEVER, cap=1, retry_after=7)
@pytest.mark.parametrize(
    ("behaviour", "status", "header"),
    [("429", 429, None), ("429-seconds", 429, "7"), ("400", 400, None), ("queue", 200, None)],
)
def test_above_the_cap_the_vendor_does_as_configured(
    caller: Caller, behaviour: str, status: int, header: str | None
) -> None:
    caller.vendor.control.change(over_cap=behaviour)
    caller.accepted()
    reply = caller.submit()
    assert (reply.status_code, reply.headers.get("Retry-After")) == (status, header)
    assert caller.vendor.control.report().over_cap == 1


@pytest.mark.swapline_simulator(credits=3)
def test_without_credits_a_submission_is_refused(caller: Caller) -> None:
    caller.accepted()
    assert error(caller.submit()) == (402, "INSUFFICIENT_CREDITS")
    assert caller.vendor.control.report().credits_left == 1
