"""Flower as people use it: a real Chromium sees the tasks of a job that ran, and nothing without the password."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import expect

from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import SWAPLINE
from support.services.browser import needs_chromium, visit
from swapline_workers.local.ports import free_port
from swapline_workers.local.ready import login_works
from swapline_workers.local.supervision.child import Child, Program

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import Browser

    from support.programs.installation import Installation, Receiver

pytestmark = needs_chromium
USER, PASSWORD = "me", "right"


def flower(installation: Installation, folder: Path, *options: str) -> tuple[Child, str]:
    """`swapline flower` on a free port, and its address."""
    url = f"http://127.0.0.1:{free_port()}"
    program = Program(
        name="flower",
        argv=(str(SWAPLINE), "flower", f"--port={url.rpartition(':')[2]}", *options),
        env={
            "PATH": os.environ["PATH"],
            "SWAPLINE_REDIS_URL": installation.valkey.url,
            "SWAPLINE_KEY_PREFIX": installation.prefix,
            "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}",
        },
        cwd=folder,
        log=folder / "flower.log",
        ready=login_works(f"{url}/workers", user=USER, password=PASSWORD),
    )
    return Child(program), url


@pytest.fixture
def url(installation: Installation, tmp_path: Path) -> Generator[str]:
    child, address = flower(installation, tmp_path, "--max_tasks=6")  # in place of 10,000, to see that it is kept
    child.start()
    yield address
    child.stop()


def test_the_tasks_of_a_job_read_like_the_flow_and_nothing_is_seen_without_the_password(
    chromium: Browser, installation: Installation, receiver: Receiver, url: str
) -> None:
    installation.vendor.control.change(service_time="fixed:0.6")
    with installation.worker():
        job = installation.run(image=PHOTOGRAPH, gender=1, filter_id=12, webhook_url=receiver.url)
        receiver.next()
        for user, password in ((None, ""), (USER, "wrong")):
            with visit(chromium, user=user, password=password) as seen:
                assert seen.is_refused(f"{url}/tasks")
        with visit(chromium, user=USER, password=PASSWORD) as seen:
            page = seen.page
            page.goto(f"{url}/tasks")
            rows = page.locator("#tasks-table tbody tr")
            expect(rows).to_have_count(4)
            shown = {cells[0]: cells for cells in (row.locator("td").all_inner_texts() for row in rows.all())}
            assert set(shown) == {"swapline.submit", "swapline.poll", "swapline.finalize", "swapline.notify"}
            assert {cells[1] for cells in shown.values()} == {job.job_id}
            assert {name: cells[2] for name, cells in shown.items()} == dict.fromkeys(shown, "SUCCESS")
            assert int(shown["swapline.poll"][3]) == job.polls - 1  # the last poll is no retry
            page.get_by_role("link", name=f"{job.job_id}-poll").click()
            expect(page.locator("body")).to_contain_text("swapline.poll")
            assert (seen.complaints, seen.hosts) == ([], {url.removeprefix("http://")})
        installation.run(image=PHOTOGRAPH, gender=1, filter_id=12)
        installation.run(image=PHOTOGRAPH, gender=1, filter_id=12)
    known = requests.get(f"{url}/api/tasks", auth=(USER, PASSWORD), timeout=30).json()
    assert len(known) == 6
    assert {task["args"] == task["uuid"].rpartition("-")[0] for task in known.values()} == {True}
