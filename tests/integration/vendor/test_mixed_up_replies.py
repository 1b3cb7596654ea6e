"""Proxies between the workers and the world that mix replies up: no job gets another's picture, nothing is held."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from support.http.mixing_proxy import Repeating, Swapping, interim, mixing_proxy
from support.jobs.factories import PHOTOGRAPH
from swapline_producer import FailureCode, Notification, State, SwapRequest

if TYPE_CHECKING:
    from support.http.mixing_proxy import Way
    from support.http.raw_server import Caller
    from support.programs.installation import Installation
    from swapline_producer import Job

JOBS = 16


def _through(
    installation: Installation,
    vendor: Way,
    receiver: Way,
) -> list[Job]:
    """Run jobs, each with a picture of its own, with proxies before the vendor and the webhooks' receiver."""
    installation.vendor.control.change(cap=8)
    producer = installation.producer()
    with (
        mixing_proxy(installation.vendor.url, vendor) as before_vendor,
        mixing_proxy(installation.receiver.url, receiver) as before_receiver,
    ):
        installation.more |= {"SWAPLINE_API_BASE_URL": before_vendor.url, "SWAPLINE_MAX_IN_FLIGHT": "8"}
        with installation.worker():
            enqueued = [
                producer.enqueue(
                    SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=number, webhook_url=f"{before_receiver.url}/hook")
                )
                for number in range(1, JOBS + 1)
            ]
            jobs = [producer.wait(job.job_id, timeout=90) for job in enqueued]
            for _ in jobs:
                installation.receiver.next()
    return [producer.get(job.job_id) for job in jobs]


def _theirs(installation: Installation, job: Job) -> bytes:
    """What the vendor itself says is the picture of a job."""
    config = installation.vendor.config
    url = f"{installation.vendor.url}/v6/status/{job.vendor_job_id}"
    reply = requests.post(url, headers={config.key_header: config.key}, timeout=30).json()
    return base64.b64decode(reply["output"]["images"][0])


def _each_has_its_own(installation: Installation, jobs: list[Job]) -> None:
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    ordered = {line.id: line.filter_id for line in installation.vendor.control.report().jobs}
    assert {job.job_id: ordered[job.vendor_job_id or ""] for job in jobs} == {
        job.job_id: str(job.spec.filter_id) for job in jobs
    }
    assert len({job.images[0].sha256 for job in jobs}) == JOBS
    assert [installation.stored(job.images[0].key) for job in jobs] == [_theirs(installation, job) for job in jobs]
    assert installation.vendor.control.report().accepted == JOBS


def test_interim_replies_before_all_others_change_nothing(installation: Installation) -> None:
    jobs = _through(installation, interim, interim)
    _each_has_its_own(installation, jobs)
    assert [(job.notification, job.notify_attempts) for job in jobs] == [(Notification.DELIVERED, 1)] * JOBS


@pytest.mark.parametrize("way", [Swapping(20), Repeating()], ids=["swapped", "said once more"])
def test_a_proxy_that_swaps_replies_gives_nobody_anothers_picture(
    installation: Installation, way: Swapping | Repeating
) -> None:
    _each_has_its_own(installation, _through(installation, way, interim))
    counts = installation.producer().ledger.stats.snapshot().counts
    if isinstance(way, Swapping):
        assert counts["polls.misdirected"] == 2 * (20 - way.left) > 0


class SameId:
    """Answers the first submission after the second, and both with the id of the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first = b""
        self._second_answered = threading.Event()

    def __call__(self, caller: Caller, request: bytes, reply: bytes) -> None:
        if b"/run/face_swap" not in request.partition(b"\r\n")[0]:
            caller.send(reply)
            return
        with self._lock:
            is_first, first = not self._first, self._first
            self._first = first or reply
        if is_first:
            self._second_answered.wait(30)
            caller.hold(1)
        caller.send(first or reply)
        self._second_answered.set()


def test_where_two_calls_at_a_time_bring_one_id_both_jobs_are_held_until_a_person_says_whose_it_is(
    installation: Installation,
) -> None:
    installation.vendor.control.change(service_time="fixed:3")
    producer = installation.producer()
    with mixing_proxy(installation.vendor.url, SameId()) as vendor:
        installation.more |= {"SWAPLINE_API_BASE_URL": vendor.url}
        with installation.worker():
            asked = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=1, webhook_url=installation.receiver.url)
            ids = [producer.enqueue(asked.model_copy(update={"filter_id": number})).job_id for number in (1, 2)]
            assert {installation.receiver.next()[1].type for _ in ids} == {"swap.held"}
            found = [producer.get(job_id) for job_id in ids]
            assert [job.failure_code for job in found] == [FailureCode.VENDOR_ID_IN_USE] * 2
            line = {line.filter_id: line.id for line in installation.vendor.control.report().jobs}
            found.sort(key=lambda job: job.vendor_job_id is None)  # first the one that has the id
            for job in found:  # the right ids: the one that is wrong is given up first
                producer.recovery.resolve(job.job_id, line[str(job.spec.filter_id)])
            jobs = [producer.wait(job_id, timeout=60) for job_id in ids]
    assert [(job.state, job.credits) for job in jobs] == [(State.SUCCEEDED, 2)] * 2
    assert [installation.stored(job.images[0].key) for job in jobs] == [_theirs(installation, job) for job in jobs]
