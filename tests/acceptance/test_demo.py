"""The demo, from outside: what it shows, what it leaves, and what it does not leave."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from support.redis.fixtures import waited_for
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from collections.abc import Generator

DEMO = [str(Path(sys.executable).with_name("swapline")), "demo"]
SOMEBODYS_SETTINGS = {
    "SWAPLINE_REDIS_URL": "redis://somebody.invalid:1/0",
    "SWAPLINE_STORAGE_URL": "s3://somebodys-bucket",
    "SWAPLINE_MAX_IN_FLIGHT": "no number",
    "SWAPLINE_QUEUE_TTL": "no number either",
    "FLOWER_PORT": "1",
    "http_proxy": "http://proxy.invalid:1",
}
"""A demo that read any of these could not succeed."""


@contextmanager
def running(folder: Path, *options: str) -> Generator[subprocess.Popen[str]]:
    """Run the demo in `folder`, where the user has a .env."""
    (folder / ".env").write_text("SWAPLINE_KEY_PREFIX=not a prefix\nSWAPLINE_RUN_TIMEOUT=-1\n")
    environment = os.environ | SOMEBODYS_SETTINGS
    with subprocess.Popen(
        [*DEMO, *options], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """What the demo printed, up to the first line that has these words in it."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    pytest.fail(f"The demo ended without saying {words!r}:\n{''.join(lines)}")


def still_there(folder: Path) -> list[str]:
    """Commands that run in `folder`: everything that the demo starts does. Known on Linux only."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        if one.name == str(os.getpid()):
            continue  # tests may run in a folder of their own as well
        try:
            if (one / "cwd").readlink().is_relative_to(folder):
                found.append((one / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended while we looked
    return found


def valkey_of(folder: Path) -> Path:
    return folder / ".demo" / "1" / "valkey"


def test_it_takes_three_photographs_through_everything_and_leaves_nothing_running(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        shown, complaints = demo.communicate(timeout=100)
    assert (demo.returncode, complaints) == (0, "")
    assert still_there(tmp_path) == []

    table = shown[shown.index("job  ") : shown.index("contact sheet")]
    rows = re.findall(r"^\d\. sample \d +SUCCEEDED +\d+\.\d +(\S+) +verified *$", table, re.MULTILINE)
    assert rows == [f".demo/1/{number}.png" for number in (1, 2, 3)]
    sizes = [struct.unpack(">II", (tmp_path / row).read_bytes()[16:24]) for row in rows]
    assert sizes == [(1200, 1800), (1800, 1200), (1280, 1280)]

    deliveries = [json.loads(line) for line in (tmp_path / ".demo/1/webhooks.jsonl").read_text().splitlines()]
    ids = re.findall(r"^([0-9a-f]{32}) *$", table, re.MULTILINE)
    assert {one["job_id"] for one in deliveries if one["verified"]} == set(ids)

    page = (tmp_path / ".demo/latest/contact-sheet.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64,') == 6
    assert all(job_id in page for job_id in ids)
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page) == ["1.png", "2.png", "3.png"]


def test_flower_shows_one_retrying_poll_task_a_job_to_who_has_the_password(tmp_path: Path) -> None:
    photo = tmp_path / "<b>me & you.jpg"
    photo.write_bytes(sample_photographs()[1])
    with running(tmp_path, "--keep", "--photo", photo.name) as demo:
        shown = read_until(demo, "Still up") + read_until(demo, "Flower")
        url, user, password = re.findall(r"Flower +(\S+) +user (\S+), password (\S+)", shown)[-1]
        polls = f"{url}/api/tasks?taskname=swapline.poll"
        assert requests.get(polls, timeout=30).status_code == 401
        tasks = requests.get(polls, auth=(user, password), timeout=30).json()
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert still_there(tmp_path) == []
    ids = re.findall(r"^([0-9a-f]{32}) *$", shown, re.MULTILINE)
    assert sorted(tasks) == sorted(f"{job_id}-poll" for job_id in ids)
    assert all(task["retries"] >= 1 for task in tasks.values())
    page = (tmp_path / ".demo/1/contact-sheet.html").read_text()
    assert "&lt;b&gt;me &amp; you.jpg" in page
    assert "<b>me" not in page


def test_it_leaves_nothing_running_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        read_until(demo, "RUNNING")
        demo.kill()
        demo.wait()
    with (valkey_of(tmp_path) / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # blocks until the server, which holds it, is gone
    waited_for(lambda: still_there(tmp_path) == [])
    assert list((tmp_path / ".demo").rglob("*.png")) == [], "it was killed before anything was done"


def test_a_service_that_dies_is_named_and_everything_else_is_stopped(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        read_until(demo, "RUNNING")
        os.kill(int((valkey_of(tmp_path) / "lock").read_text()), signal.SIGKILL)
        _, complaints = demo.communicate(timeout=60)
    log = valkey_of(tmp_path) / "valkey.log"
    assert (demo.returncode, complaints) == (1, f"swapline: valkey was ended by SIGKILL. Its log is {log}.\n")
    assert still_there(tmp_path) == []


def test_a_file_that_is_no_photograph_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear vendor,")
    with running(tmp_path, "--photo", "letter.jpg") as demo:
        shown, complaints = demo.communicate(timeout=60)
    assert (demo.returncode, shown) == (2, "")
    assert complaints.startswith("swapline: The file letter.jpg is not a JPEG, PNG or WebP picture")
    assert complaints.count("\n") == 1
    assert not (tmp_path / ".demo").exists()
