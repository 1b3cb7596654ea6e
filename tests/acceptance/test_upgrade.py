"""A running installation is upgraded from the commit before, by rolling restart, under load."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapline_producer.contract import State

if TYPE_CHECKING:
    from support.programs.installation import Installation

ROOT = Path(__file__).parents[2]
PACKAGES = ("producer", "workers")
JOBS = 90

PRODUCER = """
import sys, time
from swapline_producer import Producer, SwapRequest
producer = Producer.from_env()
for number in range(int(sys.argv[1])):
    link = f"https://pictures.example/{number}.jpg"
    job = producer.enqueue(SwapRequest(image=link, gender=0, filter_id=12, webhook_url=sys.argv[2]))
    print(job.job_id, flush=True)
    time.sleep(0.05)
"""
"""A backend: a job every 50 ms, its id on a line."""


def git(*arguments: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the commit before installed; skips where there is no history."""
    try:
        changed = bool(git("status", "--porcelain", "--", *PACKAGES))
        commits = git("log", "-2", "--format=%H", "--", *PACKAGES).split()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no checkout of git")
    if len(commits) < 2:
        pytest.skip("the history has no commit before this one: fetch more of it")
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(
        ["git", "archive", commits[0 if changed else 1]], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # not in 3.11.2
        packed.extractall(folder / "source")  # noqa: S202 -- our own
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    sources = [str(folder / "source" / name) for name in PACKAGES]
    wheels = str(folder / "wheels")
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, *sources], check=True)
    built = [str(wheel) for wheel in Path(wheels).glob("*.whl")]
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), *built], check=True)
    return folder / "site"


def test_an_upgrade_under_load_loses_nothing_and_pays_nothing_twice(installation: Installation, before: Path) -> None:
    installation.vendor.control.change(cap=8, service_time="lognormal:0.4,0.4")
    installation.more["SWAPLINE_MAX_IN_FLIGHT"] = "8"
    old = installation.environment | {"PYTHONPATH": str(before)}
    where = "import swapline_workers, swapline_producer; print(swapline_workers.__file__, swapline_producer.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env=old, check=True, capture_output=True, text=True)
    assert found.stdout.count(str(before)) == 2
    backend = [sys.executable, "-c", PRODUCER, str(JOBS), installation.receiver.url]
    workers = []
    installation.more["PYTHONPATH"] = str(before)
    with installation.worker("-n", "old1@%h") as first, installation.worker("-n", "old2@%h") as second:
        del installation.more["PYTHONPATH"]
        with subprocess.Popen(backend, env=old, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            ids = [child.stdout.readline().strip() for _ in range(JOBS // 3)]
            with installation.worker("-n", "new1@%h") as third:
                assert first.stop() == 0
                ids += [child.stdout.readline().strip() for _ in range(JOBS // 3)]
                with installation.worker("-n", "new2@%h") as fourth:
                    assert second.stop() == 0
                    ids += child.stdout.read().split()
                    producer = installation.producer()
                    done = list(producer.wait_many(ids, timeout=120))
                    workers += [first, second, third, fourth]
                    deliveries = [installation.receiver.next() for _ in ids]
    assert (len(ids), {job.state for job in done}) == (JOBS, {State.SUCCEEDED})
    report = installation.vendor.control.report()
    assert (report.credits_spent, len(report.jobs)) == (2 * JOBS, JOBS)
    assert len({name for name, _ in deliveries}) == JOBS
    assert sorted(event.data.job_id for _, event in deliveries) == sorted(ids)
    assert [worker.log() for worker in workers if "Traceback" in worker.log()] == []
