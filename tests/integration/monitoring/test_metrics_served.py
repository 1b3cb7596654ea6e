"""Metrics over HTTP, as a browser and Prometheus ask for them: of the system, and of a worker process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.http.half_requests import USUAL_FILES, half_requests, is_cut
from support.programs.installation import SWAPLINE
from support.programs.processes import start
from support.redis.fixtures import waited_for
from swapline_producer.contract import State
from swapline_producer.errors import SettingsError
from swapline_simulator import sample_photographs
from swapline_workers.telemetry.metrics.catalog import SYSTEM, UP
from swapline_workers.telemetry.metrics.serving import check_exposure
from swapline_workers.telemetry.worker_metrics import WORKER_METRICS
from swapline_workers.web.throttle import GUESSES

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation

PASSWORD = "correct horse"


def asked(url: str, password: str | None = None, *, scheme: str = "Basic") -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(url)  # noqa: S310 -- our own server
    if password is not None:
        secret = b64encode(f"metrics:{password}".encode()).decode() if scheme == "Basic" else password
        request.add_header("Authorization", f"{scheme} {secret}")
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 -- our own server
            return reply.status, reply.read().decode(), dict(reply.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@contextmanager
def served(installation: Installation, *arguments: str, **more: str) -> Generator[str]:
    """Run `swapline metrics` at a free port; gives the URL that it prints."""
    child = start(
        [*USUAL_FILES, SWAPLINE, "metrics", "--port", "0", *arguments],
        env=installation.environment | more,
        cwd=installation.store.parent,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child.stdout:
        try:
            yield child.stdout.readline().strip()
        finally:
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0


def test_a_thousand_half_requests_do_not_take_the_files_of_a_process(installation: Installation) -> None:
    with served(installation) as url, half_requests(url) as halves:
        assert asked(url)[0] == 200
        assert is_cut(halves[0])


def test_who_guesses_too_often_must_wait(installation: Installation) -> None:
    with served(installation, SWAPLINE_METRICS_PASSWORD=PASSWORD) as url:
        assert {asked(url, f"guess {number}")[0] for number in range(GUESSES)} == {401}
        status, page, _ = asked(url, PASSWORD)
        assert (status, "Try again in" in page) == (429, True)
        assert (asked(url)[0], asked(url.replace("/metrics", "/healthz"))[0]) == (401, 200)


def test_readers_need_the_password_and_are_asked_for_it(installation: Installation) -> None:
    with served(installation, SWAPLINE_METRICS_PASSWORD=PASSWORD) as url:
        status, page, headers = asked(url)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="swapline metrics", charset="UTF-8"')
        assert "swapline_jobs" not in page
        assert asked(url, "wrong")[0] == asked(url, "")[0] == asked(url, "wrong", scheme="Bearer")[0] == 401
        assert asked(url, "not base64", scheme="Basic realm=x")[0] == 401
        status, page, headers = asked(url, PASSWORD)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
        families = {family.name for family in text_string_to_metric_families(page)}
        assert families == {UP, *(metric.name.removesuffix("_total") for metric in SYSTEM)}
        assert asked(url, PASSWORD, scheme="Bearer")[0] == 200
        assert asked(url.replace("/metrics", "/"), PASSWORD)[1] == page
        assert asked(url.replace("/metrics", "/healthz"))[:2] == (200, "ok\n")
        assert asked(url.replace("/metrics", "/other"), PASSWORD)[0] == 404


def test_strangers_are_never_served_without_a_password(installation: Installation) -> None:
    refused = installation.cli("metrics", "--host", "0.0.0.0", "--port", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "SWAPLINE_METRICS_PASSWORD" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_password_may_be_in_a_file(installation: Installation) -> None:
    secret = installation.store.parent / "secret"
    secret.write_text(f"{PASSWORD}\n")
    with served(installation, SWAPLINE_METRICS_PASSWORD_FILE=str(secret)) as url:
        assert (asked(url)[0], asked(url, PASSWORD)[0]) == (401, 200)
    secret.write_text("\n")
    empty = installation.cli("metrics", SWAPLINE_METRICS_PASSWORD_FILE=str(secret))
    gone = installation.cli("metrics", SWAPLINE_METRICS_PASSWORD_FILE=f"{secret}.gone")
    assert (empty.returncode, gone.returncode) == (2, 2)
    assert ("is empty" in empty.stderr, "cannot be read" in gone.stderr) == (True, True)


def test_the_numbers_can_be_printed_once(installation: Installation) -> None:
    printed = installation.cli("metrics", "--once")
    assert printed.returncode == 0
    assert 'swapline_jobs{state="QUEUED"} 0.0' in printed.stdout
    away = installation.cli("metrics", "--once", SWAPLINE_REDIS_URL="redis://127.0.0.1:1/0")
    assert (away.returncode, away.stdout) == (1, "")
    assert "SWAPLINE_REDIS_URL" in away.stderr


def test_a_worker_tells_of_its_own_process(installation: Installation) -> None:
    port = str(49_152 + os.getpid() % 16_000)  # not one that the system gives out at this moment; the next ones do, too
    installation.more |= {"SWAPLINE_METRICS_PORT": port, "SWAPLINE_METRICS_PASSWORD": PASSWORD}
    with installation.worker() as first, installation.worker("-n", "second@%h") as second:
        done = installation.run(
            image=sample_photographs()[0], gender=0, filter_id=12, webhook_url=installation.receiver.url
        )
        assert done.state is State.SUCCEEDED
        installation.receiver.next()
        urls = [re.findall(r"own metrics: (http://[^\s\"]+)", worker.log())[0] for worker in (first, second)]
        assert len(set(urls)) == 2
        assert asked(urls[0])[0] == 401
        pages = [asked(url, PASSWORD)[1] for url in urls]

        def steps(step: str) -> float:
            return sum(
                sample.value
                for text in (asked(url, PASSWORD)[1] for url in urls)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == "swapline_worker_steps_total" and sample.labels["step"] == step
            )

        waited_for(lambda: steps("notify") == 1)
        assert (steps("submit"), steps("finalize")) == (1, 1)
        assert steps("poll") == done.polls
    named = {line.split()[2] for text in pages for line in text.splitlines() if line.startswith("# TYPE")}
    assert {metric.name for metric in WORKER_METRICS} <= named
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= named
    assert any('endpoint="submit",outcome="ok"' in text for text in pages)
    assert all("swapline_worker_threads 8.0" in text for text in pages)


def test_a_worker_does_not_start_where_strangers_could_read_its_metrics(installation: Installation) -> None:
    refused = installation.cli("worker", SWAPLINE_METRICS_PORT="49151", SWAPLINE_METRICS_HOST="0.0.0.0")
    assert refused.returncode != 0
    assert "SWAPLINE_METRICS_PASSWORD" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr + refused.stdout


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "metrics.example", ""])
def test_every_address_but_loopback_counts_as_strangers(host: str) -> None:
    with pytest.raises(SettingsError, match="SWAPLINE_METRICS_PASSWORD"):
        check_exposure(host, None)
    check_exposure(host, "a password")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_no_password(host: str) -> None:
    check_exposure(host, None)
