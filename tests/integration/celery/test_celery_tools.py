"""Programs of Celery's that know nothing of Swapline: they find its workers by four settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import CELERY
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_workers.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation, Receiver

ROOT = Path(__file__).parents[3]
JOBS = 4
EXPORTER = """
prometheus-exporter-celery==0.11.2 --hash=sha256:4a130efa41515698ade81a70b4b46d3b798021ba3e3eb5cc1dec4fa07afe30d9
"""
"""celery-exporter, as the package index has it; its own pins are other releases than ours."""

RUN_EXPORTER = """
import sys
from src.exporter import Exporter
Exporter().run({
    "broker_url": sys.argv[1],
    "broker_transport_option": ["fanout_prefix=" + sys.argv[2]],
    "broker_ssl_option": [None],
    "accept_content": None,
    "retry_interval": 0,
    "host": "127.0.0.1",
    "port": int(sys.argv[3]),
    "log_level": "INFO",
})
"""


def environment(installation: Installation, *more: Path) -> dict[str, str]:
    """What a plain tool is given: the address, the prefix, and our file with the four settings."""
    path = [str(ROOT / "ops/celery"), *map(str, more), os.environ.get("PYTHONPATH", "")]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path),
        "SWAPLINE_REDIS_URL": installation.valkey.url,
        "SWAPLINE_KEY_PREFIX": installation.prefix,
    }


@pytest.mark.usefixtures("both_ways")
def test_celerys_own_command_finds_the_workers(installation: Installation) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CELERY, "--config", "celeryconfig", *command.split()],
            env=environment(installation),
            cwd=installation.store.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    commands = ("inspect -t 10 -j ping", "inspect -t 10 -j stats", "status -t 10 -j")
    with installation.worker(), ThreadPoolExecutor() as at_once:  # each waits for more answers until its time is up
        for done in at_once.map(run, commands):
            assert done.returncode == 0, done.stderr + done.stdout
            answers, _ = json.JSONDecoder().raw_decode(done.stdout)  # a line for people follows
            assert next(iter(answers)).startswith("swapline@")


@pytest.fixture(scope="module")
def exporter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install celery-exporter into a folder of its own."""
    folder = tmp_path_factory.mktemp("exporter")
    (folder / "requirements.txt").write_text(EXPORTER)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--require-hashes", "--target", str(folder / "site"), "-r", str(folder / "requirements.txt")]
    subprocess.run([*pip, *options], check=True)
    return folder / "site"


@contextmanager
def exporter(installation: Installation, folder: Path) -> Generator[str]:
    """Run celery-exporter; yield the URL of its metrics."""
    port = free_port()
    arguments = [installation.valkey.url, f"/{installation.prefix}-{{db}}.", str(port)]
    child = subprocess.Popen(
        [sys.executable, "-c", RUN_EXPORTER, *arguments],
        env=environment(installation, folder) | {"CELERY_LOADER": "default", "CELERY_CONFIG_MODULE": "celeryconfig"},
        cwd=installation.store.parent,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        child.terminate()
        child.wait(30)


def counts(url: str) -> dict[tuple[str, str], float]:
    """(event, task) -> the exporter's counter."""
    text = requests.get(url, timeout=30).text
    found = re.findall(r'^celery_task_(\w+)_total\{.*?name="swapline\.(\w+)".*\} ([\d.]+)$', text, re.MULTILINE)
    return {(event, task): float(number) for event, task, number in found}


def is_up(url: str) -> bool:
    try:
        return re.search(r"^celery_worker_up\{.*\} 1\.0$", requests.get(url, timeout=30).text, re.MULTILINE) is not None
    except requests.ConnectionError:
        return False


@pytest.mark.usefixtures("both_ways")
def test_an_exporter_counts_what_the_ledger_counts(
    installation: Installation, receiver: Receiver, exporter_folder: Path
) -> None:
    producer = installation.producer()
    request = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12, webhook_url=receiver.url)
    with installation.worker(), exporter(installation, exporter_folder) as url:
        waited_for(lambda: is_up(url))
        jobs = [producer.enqueue(request).job_id for _ in range(JOBS)]
        assert {producer.wait(job_id, timeout=60).state for job_id in jobs} == {State.SUCCEEDED}
        for _ in jobs:
            receiver.next()
        polls = sum(producer.get(job_id).polls for job_id in jobs)
        waited_for(lambda: counts(url).get(("succeeded", "notify")) == JOBS)
        found = counts(url)
    ended = {step: found["succeeded", step] for step in ("submit", "poll", "finalize", "notify")}
    assert ended["finalize"] == ended["notify"] == JOBS
    assert found["retried", "poll"] + ended["poll"] == polls
    assert found["received", "poll"] == found["started", "poll"] == polls
    assert {found["failed", step] for step in ended} == {0.0}
