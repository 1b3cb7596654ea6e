"""Options of `celery worker` that the table in docs/celery.md promises, each with a real worker that does a job."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from support.celery.apps import answer, celery_of
from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import CELERY
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import Job, State

if TYPE_CHECKING:
    from support.programs.installation import Installation

NOBODY = 65534
REQUEST = {"image": PHOTOGRAPH, "gender": 0, "filter_id": 12}


def children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children()}


@pytest.mark.parametrize(
    "options",
    [["--max-tasks-per-child", "1"], ["--max-memory-per-child", "1"]],
    ids=["max-tasks-per-child", "max-memory-per-child"],
)
def test_processes_are_replaced_and_no_step_is_lost(installation: Installation, options: list[str]) -> None:
    with installation.celery_worker("-P", "processes", "-c", "2", *options) as worker:
        before = children(worker.child.pid)
        job = installation.run(**REQUEST)
        waited_for(lambda: children(worker.child.pid) - before != set())
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1)
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("options", [["-O", "fair"], ["--pool-start-method", "fork"]])
def test_processes_take_celerys_options_of_their_pool(installation: Installation, options: list[str]) -> None:
    with installation.celery_worker("-P", "processes", "-c", "2", *options) as worker:
        job = installation.run(**REQUEST)
    assert (job.state, job.attempts, "option unused" in worker.log()) == (State.SUCCEEDED, 1, False)
    assert "Traceback" not in worker.log()


def test_threads_are_sixteen_unless_set_and_processors_with_auto(installation: Installation) -> None:
    with installation.celery_worker() as worker:
        assert "pool threads, concurrency 16" in worker.log()
    with installation.celery_worker("-c", "auto") as worker:
        assert f"pool threads, concurrency {os.cpu_count()}" in worker.log()


def test_beat_is_logged_as_unused_and_stops_with_the_worker(installation: Installation, tmp_path: Path) -> None:
    more = ["-s", str(tmp_path / "schedule"), "--scheduler", "celery.beat:PersistentScheduler"]
    with installation.celery_worker("-B", *more) as worker:
        job = installation.run(**REQUEST)
        assert worker.stop() == 0
    assert (job.state, "option unused: --beat " in worker.log()) == (State.SUCCEEDED, True)


def test_a_purged_message_is_sent_again_by_the_ledger(installation: Installation) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = "2"
    producer = installation.producer()
    job_id = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
    with installation.celery_worker("--purge") as worker:
        job = producer.wait(job_id, timeout=60)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1)
    assert "Traceback" not in worker.log()


def test_a_worker_without_heartbeat_works(installation: Installation) -> None:
    with installation.celery_worker("--without-heartbeat") as worker:
        job = installation.run(**REQUEST)
    assert (job.state, "Traceback" in worker.log()) == (State.SUCCEEDED, False)


def test_a_detached_worker_works_with_its_umask_and_ends_on_a_signal(
    installation: Installation, tmp_path: Path
) -> None:
    pid, log = tmp_path / "worker.pid", tmp_path / "worker.log"
    options = [
        "--detach",
        "--pidfile",
        str(pid),
        "--logfile",
        str(log),
        "--umask",
        "027",
        "--executable",
        sys.executable,
    ]
    subprocess.run(
        [CELERY, "-A", "swapline_workers.entry", "worker", *options],
        env=installation.environment,
        cwd=installation.store.parent,
        check=True,
        timeout=60,
    )
    waited_for(lambda: pid.exists() and log.exists() and " ready." in log.read_text())
    number = int(pid.read_text())
    try:
        with celery_of(installation) as app:
            assert answer(app, "stats")["pid"] == number
        assert installation.run(**REQUEST).state is State.SUCCEEDED
        assert stat.S_IMODE(log.stat().st_mode) & 0o027 == 0
    finally:
        os.kill(number, signal.SIGTERM)
    waited_for(lambda: not pid.exists())
    assert "Traceback" not in log.read_text()


def test_a_worker_drops_to_the_user_and_the_group_that_are_named(installation: Installation) -> None:
    uid, gid = (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
    for folder in (*installation.store.parents, installation.store):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):  # noqa: S108 -- pytest's own folder
            folder.chmod(0o777)
    with installation.celery_worker("--uid", str(uid), "--gid", str(gid)) as worker:
        process = psutil.Process(worker.child.pid)
        assert (process.uids().effective, process.gids().effective) == (uid, gid)


def test_options_of_beat_alone_change_nothing(installation: Installation, tmp_path: Path) -> None:
    with installation.celery_worker("-s", str(tmp_path / "schedule"), "--scheduler", "any.where:Scheduler") as worker:
        job: Job = installation.run(**REQUEST)
    assert (job.state, (tmp_path / "schedule").exists(), "Traceback" in worker.log()) == (State.SUCCEEDED, False, False)
