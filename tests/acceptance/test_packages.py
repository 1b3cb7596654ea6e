"""Wheels and sdists as a user gets them: built, listed, and installed into environments outside of this checkout."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

import swapline_producer
from support.programs.clean_environment import CleanEnvironment
from support.redis.fixtures import waited_for
from swapline_workers.local.ports import free_port

if TYPE_CHECKING:
    from swapline_workers.local.valkey.server import EmbeddedValkey

ROOT = Path(__file__).parents[2]
DIST: dict[str, Any] = runpy.run_path(str(ROOT / "ops" / "dist.py"))
PACKAGES = DIST["PACKAGES"]
NOT_IN_CODE = {
    "producer": ["py.typed", "ledger/lua/moves/advance.lua"],
    "workers": ["py.typed", "board/templates/page.html", "board/static/board.css", "web/flowerconfig.py"],
    "simulator": ["py.typed"],
    "gateway": ["py.typed"],
}

ENQUEUE = """
from swapline_producer import Producer, SwapRequest
producer = Producer.from_env()
job = producer.enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender="female", filter_id=12))
print(producer.get(job.job_id).state)
"""


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Each package's sdist and wheel."""
    folder = tmp_path_factory.mktemp("dist")
    return {name: DIST["build"](ROOT / name, folder) for name in PACKAGES}


@pytest.fixture(scope="session")
def wheels(archives: dict[str, list[Path]]) -> list[Path]:
    return [wheel for _, wheel in archives.values()]


def settings(**more: str) -> dict[str, str]:
    """The environment without anything of ours, and without this checkout's packages."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("SWAPLINE_", "FLOWER_", "PY"))}
    return foreign | more


def run(*command: object, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env=settings(**more), capture_output=True, text=True, timeout=110, check=False
    )


def test_the_same_commit_gives_the_same_bytes(archives: dict[str, list[Path]], tmp_path: Path) -> None:
    again = {name: DIST["build"](ROOT / name, tmp_path) for name in PACKAGES}
    assert {one.name: one.read_bytes() for found in again.values() for one in found} == {
        one.name: one.read_bytes() for found in archives.values() for one in found
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_an_archive_has_its_package_and_nothing_else(name: str, archives: dict[str, list[Path]]) -> None:
    for archive in archives[name]:
        assert DIST["strange"](archive) == []
        there = DIST["contents"](archive)
        assert [file for file in NOT_IN_CODE[name] if f"swapline_{name}/{file}" not in there] == []


def test_descriptions_and_metadata_pass_the_checks_of_registries(archives: dict[str, list[Path]]) -> None:
    assert DIST["check"]([one for found in archives.values() for one in found])


def test_version_changelog_and_packages_agree() -> None:
    projects = [tomllib.loads((ROOT / name / "pyproject.toml").read_text()) for name in PACKAGES]
    projects.append(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    versions = {project["project"]["version"] for project in projects}
    [newest, *_] = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions == {newest} == {swapline_producer.__version__}
    pinned = {pin for project in projects for pin in re.findall(r"swapline-\w+(?:\[\w+\])?==([0-9.]+)", str(project))}
    assert pinned == versions


def test_every_package_is_licensed_as_the_project_is() -> None:
    texts = {(ROOT / name / "LICENSE").read_text() for name in PACKAGES}
    assert texts == {(ROOT / "LICENSE").read_text()}


def test_a_backend_installs_the_producer_and_little_else(
    wheels: list[Path], tmp_path: Path, valkey: EmbeddedValkey, prefix: str
) -> None:
    there = CleanEnvironment(tmp_path / "env", wheels, "swapline-producer")
    assert there.packages & {"celery", "kombu", "click", "rich", "requests", "pillow"} == set()
    found = run(
        *(there.python, "-c", ENQUEUE), folder=tmp_path, SWAPLINE_REDIS_URL=valkey.url, SWAPLINE_KEY_PREFIX=prefix
    )
    assert (found.stdout, found.stderr) == ("QUEUED\n", "")
    command = run(there.programs / "swapline", folder=tmp_path)
    assert (command.returncode, "pip install 'swapline-producer[cli]'" in command.stderr) == (1, True)


def test_the_demo_runs_outside_a_checkout(wheels: list[Path], tmp_path: Path) -> None:
    there = CleanEnvironment(tmp_path / "env", wheels, "swapline-workers[local]")
    (tmp_path / "somewhere").mkdir()
    done = run(there.programs / "swapline", "demo", folder=tmp_path / "somewhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"SUCCEEDED.*verified", done.stdout)) == 3


def test_up_runs_outside_a_checkout_with_flower_and_board(wheels: list[Path], tmp_path: Path) -> None:
    there = CleanEnvironment(tmp_path / "env", wheels, "swapline-workers[local]")
    ports = [f"--{name}-port={free_port()}" for name in ("board", "gateway", "metrics", "flower", "simulator")]
    log = tmp_path / "log"
    with log.open("w") as output:
        command = [str(there.programs / "swapline"), "up", "--simulated", "--workers", "1", *ports]
        up = subprocess.Popen(command, cwd=tmp_path, env=settings(), stdout=output, stderr=output)
    try:
        waited_for(lambda: "From another terminal" in log.read_text() or up.poll() is not None)
        pages = re.findall(r"(\w+): (http\S+) \(.*\); user (\w+), password in (\S+)$", log.read_text(), re.MULTILINE)
        assert {name for name, *_ in pages} >= {"board", "flower"}, log.read_text()
        for name, url, user, file in pages:
            page = f"{url}/metrics" if name == "metrics" else url
            login = (user, (tmp_path / file).read_text().strip())
            assert requests.get(page, auth=login, timeout=30).status_code == 200
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    finally:
        up.kill()
        up.wait()


def test_the_gateway_is_a_command_once_it_is_installed(wheels: list[Path], tmp_path: Path) -> None:
    there = CleanEnvironment(tmp_path / "env", wheels, "swapline-gateway")
    assert "celery" not in there.packages
    shown = run(there.programs / "swapline", "--help", folder=tmp_path)
    assert re.search(r"^  gateway  ", shown.stdout, re.MULTILINE)
    assert run(there.programs / "swapline", "gateway", "--help", folder=tmp_path).returncode == 0
