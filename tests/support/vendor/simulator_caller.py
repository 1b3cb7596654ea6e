"""A client of the simulated vendor, for the tests that call it over HTTP."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.jobs.factories import PHOTOGRAPH
from swapline_simulator import Mode, Simulator

if TYPE_CHECKING:
    from collections.abc import Generator

TEXT = base64.b64encode(PHOTOGRAPH).decode()
DIGEST = sha256(PHOTOGRAPH).hexdigest()
NEVER = "fixed:3600"
"""A service time that no test waits for."""

PATIENCE = 30
"""Seconds for one call, so that a mistake is an error and no hang."""


class Caller:
    """Submits and polls, without checking anything."""

    def __init__(self, vendor: Simulator, session: requests.Session) -> None:
        self.vendor = vendor
        self.session = session

    def submit(self, version: str = "v6", **fields: Any) -> requests.Response:
        body = {"base64": TEXT, "gender": 1, "filter_id": 12} | fields
        return self.session.post(f"{self.vendor.url}/{version}/run/face_swap", json=body, timeout=PATIENCE)

    def accepted(self, version: str = "v6", **fields: Any) -> str:
        """Submit; return the id."""
        reply = self.submit(version, **fields)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def poll(self, job: str, version: str = "v6", **options: Any) -> requests.Response:
        return self.session.post(f"{self.vendor.url}/{version}/status/{job}", **{"timeout": PATIENCE} | options)

    def wait(self, job: str, version: str = "v6") -> requests.Response:
        """Poll once, answered when the job is done; later polls are answered at once."""
        self.vendor.control.set_mode(Mode.STATUS_HELD, job=job, times=1)
        return self.poll(job, version)


@contextmanager
def calling(vendor: Simulator) -> Generator[Caller]:
    """Yield a caller with the right key."""
    with requests.Session() as session:
        session.headers["X-API-Key"] = vendor.config.key
        yield Caller(vendor, session)


@pytest.fixture
def caller(swapline_simulator: Simulator) -> Generator[Caller]:
    """Yield a caller of a simulator of its own."""
    with calling(swapline_simulator) as made:
        yield made


def picture(reply: requests.Response) -> bytes:
    """The one picture of a completed job."""
    (encoded,) = reply.json()["output"]["images"]
    return base64.b64decode(encoded, validate=True)


def error(reply: requests.Response) -> tuple[int, str]:
    """The HTTP status and the code of a refusal, which must carry a sentence."""
    error_body = reply.json()
    assert error_body["message"].endswith(".")
    return reply.status_code, error_body["error"]
