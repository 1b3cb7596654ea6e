"""The simulated vendor over real HTTP, held to the vendor's page and to the table of its modes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.client import HTTPConnection
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

from swapline_simulator import Control, Mode, Simulator, SimulatorConfig, SimulatorError, sample_photographs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHOTOGRAPH = sample_photographs()[0]
TEXT = base64.b64encode(PHOTOGRAPH).decode()
DIGEST = sha256(PHOTOGRAPH).hexdigest()
KEY = {"X-API-Key": "sim-key"}
NEVER = "fixed:3600"
"""A service time that no test waits for."""


class Caller:
    """Calls the vendor as a client of it would."""

    def __init__(self, vendor: Simulator) -> None:
        self.vendor = vendor
        self.session = requests.Session()
        self.session.headers.update(KEY)

    def submit(self, version: str = "v6", **fields: Any) -> requests.Response:
        body = {"base64": TEXT, "gender": 1, "filter_id": 12} | fields
        return self.session.post(f"{self.vendor.url}/{version}/run/face_swap", json=body, timeout=30)

    def accepted(self, version: str = "v6", **fields: Any) -> str:
        reply = self.submit(version, **fields)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def look(self, job: str, version: str = "v6") -> requests.Response:
        return self.session.post(f"{self.vendor.url}/{version}/status/{job}", timeout=30)

    def wait(self, job: str, version: str = "v6") -> requests.Response:
        """Look once, being held until the job is done; how the vendor behaves otherwise stays as it is."""
        self.vendor.control.set_mode(Mode.STATUS_HELD, job=job, times=1)
        return self.look(job, version)


@pytest.fixture
def caller(swapline_simulator: Simulator) -> Iterator[Caller]:
    made = Caller(swapline_simulator)
    yield made
    made.session.close()


def picture(reply: requests.Response) -> bytes:
    (encoded,) = reply.json()["output"]["images"]
    return base64.b64decode(encoded, validate=True)


def code(reply: requests.Response) -> tuple[int, str]:
    said = reply.json()
    assert said["message"].endswith(".")
    return reply.status_code, said["error"]


# The page, step by step


@pytest.mark.parametrize("version", ["v6", "v5"])
@pytest.mark.parametrize(
    ("ratio", "size"),
    [(None, (1200, 1800)), ("portrait", (1200, 1800)), ("landscape", (1800, 1200)), ("square", (1280, 1280))],
)
def test_a_photograph_becomes_a_png_of_the_size_of_its_ratio(
    caller: Caller, version: str, ratio: str | None, size: tuple[int, int]
) -> None:
    job = caller.accepted(version, **({"ratio": ratio} if ratio else {}))
    with Image.open(BytesIO(picture(caller.wait(job, version)))) as opened:
        assert (opened.format, opened.size) == ("PNG", size)


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_submission_is_answered_with_an_id_and_in_queue_in_the_order_of_the_page(caller: Caller) -> None:
    reply = caller.submit()
    assert list(reply.json()) == ["id", "status"]
    assert reply.json()["status"] == "IN_QUEUE"
    assert reply.headers["Content-Type"] == "application/json"


def test_a_completed_job_is_told_in_the_order_of_the_page(caller: Caller) -> None:
    job = caller.accepted()
    reply = caller.wait(job)
    assert reply.text.startswith(f'{{"id":"{job}","status":"COMPLETED","output":{{"images":["iVBORw0KGgo')
    assert reply.text.endswith('"]}}')


def test_a_result_is_the_same_at_every_look(caller: Caller) -> None:
    job = caller.accepted()
    assert caller.wait(job).content == caller.look(job).content


@pytest.mark.swapline_simulator(results="full")
def test_a_full_result_has_megabytes(caller: Caller) -> None:
    assert len(picture(caller.wait(caller.accepted()))) > 3_000_000


@pytest.mark.swapline_simulator(fail_rate=1)
def test_a_failed_job_is_told_without_output(caller: Caller) -> None:
    said = caller.wait(caller.accepted()).json()
    assert (said["status"], "output" in said) == ("FAILED", False)


@pytest.mark.parametrize(("mine", "other"), [("v6", "v5"), ("v5", "v6")])
def test_a_job_of_one_version_is_unknown_to_the_other(caller: Caller, mine: str, other: str) -> None:
    assert code(caller.look(caller.accepted(mine), other)) == (404, "JOB_NOT_FOUND")


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
    ],
)
def test_every_error_of_the_page_is_given_and_nothing_is_charged(
    caller: Caller, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert code(caller.submit(**fields)) == answer
    report = caller.vendor.control.report()
    assert (report.credits_spent, report.accepted, report.refused) == (0, 0, {answer[1]: 1})


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]"])
def test_a_body_that_is_no_json_object_is_refused(caller: Caller, raw: bytes) -> None:
    reply = caller.session.post(f"{caller.vendor.url}/v6/run/face_swap", data=raw, timeout=30)
    assert code(reply) == (400, "INVALID_REQUEST")


def test_a_body_larger_than_the_host_takes_is_refused(caller: Caller) -> None:
    assert caller.submit(base64="A" * 13_000_000).status_code == 413


@pytest.mark.parametrize("path", ["run/face_swap", "status/job-1"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": "ké"}, {"Authorization": "sim-key"}])
def test_without_the_right_key_nothing_is_answered(
    swapline_simulator: Simulator, path: str, headers: dict[str, str]
) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    reply = requests.post(f"{swapline_simulator.url}/v6/{path}", headers=encoded, json={}, timeout=30)
    assert code(reply) == (401, "UNAUTHORIZED")
    assert swapline_simulator.control.report().unauthorized == 1


@pytest.mark.swapline_simulator(key="secret", key_header="Authorization", key_prefix="Bearer ")
def test_the_key_its_header_and_its_prefix_can_be_chosen(caller: Caller) -> None:
    assert caller.submit().status_code == 401
    caller.session.headers["Authorization"] = "Bearer secret"
    assert caller.submit().status_code == 200


# Pictures by URL


def test_a_picture_on_this_machine_is_fetched(caller: Caller, swapline_simulator: Simulator) -> None:
    with Simulator() as somebody:
        said = caller.submit(base64=f"{somebody.url}/_control/page")
    assert code(said) == (400, "INVALID_IMAGE")  # it was fetched, and is a page
    with PhotographServer() as url:
        caller.accepted(base64=url)
    assert list(swapline_simulator.control.report().images) == [DIGEST]


class PhotographServer:
    """Serves the photograph on this machine."""

    def __enter__(self) -> str:
        code = (
            "import sys, http.server as h\n"
            "class S(h.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n"
            "        data = sys.stdin.buffer.read(); self.send_response(200)\n"
            "        self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)\n"
            "server = h.HTTPServer(('127.0.0.1', 0), S); print(server.server_port, flush=True); server.handle_request()\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(PHOTOGRAPH)
        self._process.stdin.close()
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}/me.jpg"

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()
