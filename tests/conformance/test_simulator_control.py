"""The control page of the simulated vendor, and the vendor as a program of its own."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.vendor.simulator_caller import DIGEST, NEVER, TEXT, Caller, calling
from swapline_simulator import Control, Mode, Simulator, SimulatorConfig, SimulatorError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def test_the_report_tells_the_charges_of_each_picture(caller: Caller) -> None:
    url = "https://example.com/me.jpg"
    mine = [caller.accepted(), caller.accepted("v5")]
    other = caller.accepted(base64=url)
    caller.submit(filter_id=900)
    report = caller.vendor.control.report()
    images = {digest: (line.accepted, line.credits, line.jobs) for digest, line in report.images.items()}
    assert images == {DIGEST: (2, 4, mine), sha256(url.encode()).hexdigest(): (1, 2, [other])}
    assert (report.submissions, report.accepted, report.refused) == (4, 3, {"FILTER_NOT_FOUND": 1})
    assert (report.credits_spent, report.credits_left) == (6, 1_000_000 - 6)


def test_the_report_tells_what_became_of_each_job(caller: Caller) -> None:
    job = caller.accepted(gender=4, ratio="square", quality_mode="v6")
    for _ in range(3):
        caller.wait(job)
    (line,) = caller.vendor.control.report().jobs
    assert (line.id, line.gender, line.filter_id, line.ratio, line.quality_mode) == (job, 4, "12", "square", "v6")
    assert (line.status, line.polls, line.credits) == ("COMPLETED", 3, 2)
    assert line.started_at == line.submitted_at
    assert line.done_at == pytest.approx(line.submitted_at + 50, abs=1)


def test_the_report_tells_the_most_jobs_that_were_ever_in_flight(caller: Caller) -> None:
    jobs = [caller.accepted() for _ in range(2)]
    for job in jobs:
        caller.wait(job)
    report = caller.vendor.control.report(jobs=False)
    assert (report.in_flight, report.max_in_flight, report.jobs) == (0, 2, [])


def test_the_page_for_people_is_html(swapline_simulator: Simulator) -> None:
    reply = requests.get(f"{swapline_simulator.url}/_control/page", timeout=30)
    assert reply.headers["Content-Type"] == "text/html"
    assert "<title>Simulated vendor</title>" in reply.text


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_settings_change_while_it_runs(caller: Caller) -> None:
    report = caller.vendor.control.change(cap=1, credits=3, key="another", service_time="fixed:0.1")
    assert (report.config.cap, report.credits_left, report.config.service_time) == (1, 3, SERVICE)
    assert caller.submit().status_code == 401
    caller.session.headers["X-API-Key"] = "another"
    assert caller.wait(caller.accepted()).json()["status"] == "COMPLETED"


SERVICE = SimulatorConfig.model_validate({"service_time": "fixed:0.1"}).service_time


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cap": -1}, "cap: "),
        ({"speed": 1}, "speed: Extra inputs"),
        ({"mode": "status_hold"}, "there is no mode status_hold"),
        ({"service_time": "often"}, "write fixed:SECONDS"),
        ({"cap": 1, "fail_rate": 2}, "fail_rate: "),
    ],
)
def test_a_wrong_change_is_refused_with_a_sentence_and_changes_nothing(
    swapline_simulator: Simulator, change: dict[str, Any], sentence: str
) -> None:
    before = swapline_simulator.control.report().config
    with pytest.raises(SimulatorError, match=sentence):
        swapline_simulator.control.change(**change)
    assert swapline_simulator.control.report().config == before


def test_a_reset_forgets_jobs_charges_and_directions_but_not_the_settings(caller: Caller) -> None:
    caller.vendor.control.change(cap=7, mode="status_500")
    old = caller.accepted()
    caller.vendor.control.reset()
    report = caller.vendor.control.report()
    assert (report.accepted, report.credits_spent, report.submissions, report.config.cap) == (0, 0, 0, 7)
    assert caller.poll(old).status_code == 404
    assert caller.accepted() != old


@pytest.mark.swapline_simulator(service_time=NEVER)
def test_a_reset_lets_held_calls_go(caller: Caller) -> None:
    job = caller.accepted()
    caller.vendor.control.set_mode(Mode.STATUS_HELD)
    with ThreadPoolExecutor() as pool:
        held_poll = pool.submit(caller.poll, job)
        while caller.vendor.control.report().polls == 0:
            pass  # the report is the signal that the call has come in
        caller.vendor.control.reset()
        assert held_poll.result(timeout=30).json() == {"id": job, "status": "IN_QUEUE"}


def test_finish_sends_late_replies(caller: Caller) -> None:
    caller.vendor.control.set_mode(Mode.SUBMIT_SLOW_ACCEPTED, amount=60)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(caller.accepted)
        while caller.vendor.control.report().accepted == 0:
            pass  # the report is the signal that the job was accepted
        assert not late.done()
        caller.vendor.control.finish()
        assert late.result(timeout=30) == caller.vendor.control.report().jobs[0].id


@pytest.mark.swapline_simulator(service_time=NEVER, cap=2, over_cap="queue")
def test_finish_ends_the_jobs_that_run_and_lets_their_held_calls_go(caller: Caller) -> None:
    first, second, third = (caller.accepted() for _ in range(3))
    caller.vendor.control.set_mode(Mode.STATUS_HELD)
    with ThreadPoolExecutor() as pool:
        held_poll = pool.submit(caller.poll, first)
        while caller.vendor.control.report().polls == 0:
            pass  # the report is the signal that the call has come in
        caller.vendor.control.finish()
        assert held_poll.result(timeout=30).json()["status"] == "COMPLETED"
    caller.vendor.control.clear_modes()
    assert caller.poll(second).json()["status"] == "COMPLETED"
    assert caller.poll(third).json() == {"id": third, "status": "IN_QUEUE"}
    caller.vendor.control.finish()
    assert caller.poll(third).json()["status"] == "COMPLETED"


def test_ending_the_faults_ends_all_misbehaviour(caller: Caller) -> None:
    caller.vendor.control.change(mode=["submit_500", "status_500", "result_missing"])
    caller.vendor.control.clear_modes()
    assert "output" in caller.wait(caller.accepted()).json()


def test_the_same_seed_gives_the_same_run_however_many_call_at_once() -> None:
    def run(seed: int, callers: int) -> list[tuple[str, int | None]]:
        config = SimulatorConfig.model_validate(
            {"seed": seed, "cap": 100, "service_time": "lognormal:8,0.4", "results": "small"}
        )
        with Simulator(config) as vendor, calling(vendor) as caller, ThreadPoolExecutor(callers) as pool:
            list(pool.map(lambda _: caller.accepted(), range(12)))
            jobs = vendor.control.report().jobs
        return [(job.id, (job.done_at or 0) - job.submitted_at) for job in jobs]

    def service(jobs: list[tuple[str, int | None]]) -> list[float]:
        return [round((seconds or 0) / 10) for _, seconds in jobs]  # to 10 ms: both ends are rounded

    alone, crowd, other = run(seed=3, callers=1), run(seed=3, callers=8), run(seed=4, callers=1)
    assert [job for job, _ in alone] == [job for job, _ in crowd]
    assert service(alone) == pytest.approx(service(crowd), abs=1)
    assert service(alone) != pytest.approx(service(other), abs=1)


def test_a_vendor_without_a_seed_draws_another_each_time() -> None:
    assert SimulatorConfig().seed != SimulatorConfig().seed


def test_an_address_that_is_taken_is_a_sentence(swapline_simulator: Simulator) -> None:
    port = int(swapline_simulator.url.rpartition(":")[2])
    with (
        pytest.raises(SimulatorError, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use"),
        Simulator(port=port),
    ):
        pass


def test_nobody_listens_after_the_end() -> None:
    with Simulator() as vendor:
        control = vendor.control
    with pytest.raises(ConnectionRefusedError):
        control.report()


# The program


@contextmanager
def program(ready: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run `swapline simulator`; yield it and its URL."""
    code = "from swapline_simulator.cli import simulator; simulator(prog_name='swapline simulator')"
    command = [sys.executable, "-c", code, "--port", "0", "--ready-file", str(ready), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, line.partition(" at ")[2].partition(" ")[0]
        finally:
            process.kill()


def test_the_program_tells_its_url_in_a_line_and_in_the_ready_file(tmp_path: Path) -> None:
    with program(tmp_path / "ready.json", "--seed", "9", "--cap", "5") as (process, url):
        assert json.loads((tmp_path / "ready.json").read_text()) == {"url": url, "pid": process.pid}
        config = Control(url).report().config
        assert (config.seed, config.cap) == (9, 5)
        assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]  # no draft of it is left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_program_quietly_even_while_a_call_is_held(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ("--mode", "status_held", "--service-time", NEVER, "--results", "small")
    with program(tmp_path / "ready.json", *arguments) as (process, url), ThreadPoolExecutor() as pool:
        body = {"base64": TEXT, "gender": 1, "filter_id": 12}
        key = {"X-API-Key": "sim-key"}
        job = requests.post(f"{url}/v6/run/face_swap", json=body, headers=key, timeout=30).json()["id"]
        held_poll = pool.submit(requests.post, f"{url}/v6/status/{job}", headers=key, timeout=30)
        while Control(url).report().polls == 0:
            pass  # the report is the signal that the call has come in
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert isinstance(held_poll.exception(timeout=30), requests.ConnectionError)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert not (tmp_path / "ready.json").exists()


def test_results_of_ever_new_photographs_do_not_make_it_grow(tmp_path: Path) -> None:
    key, photograph = {"X-API-Key": "sim-key"}, base64.b64decode(TEXT)
    with program(tmp_path / "ready.json", "--service-time", "fixed:0") as (process, url), requests.Session() as session:
        for number in range(30):
            other = base64.b64encode(photograph + bytes([number])).decode()  # behind the end of the JPEG
            body = {"base64": other, "gender": 1, "filter_id": 12}
            job = session.post(f"{url}/v6/run/face_swap", json=body, headers=key, timeout=30).json()["id"]
            assert session.post(f"{url}/v6/status/{job}", headers=key, timeout=60).json()["status"] == "COMPLETED"
        ps = ["ps", "-o", "rss=", "-p", str(process.pid)]
        resident = int(subprocess.run(ps, capture_output=True, check=True).stdout) * 1024
    assert resident < 200 * 2**20
