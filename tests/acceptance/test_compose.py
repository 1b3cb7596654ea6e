"""Every command line and every health check of docker-compose.yml, started by hand on this host.

What cannot be had here: Grafana and the S3 server. moto takes the S3 server's place.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import requests
from moto.server import ThreadedMotoServer

from composed import SERVICES, Moved
from debian import needs
from servers import waited_for
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_producer.storage import open_storage
from swapline_simulator.client import Control

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PAGES = (
    ("5555", "/workers", "flower_auth", ""),
    ("5556", "/", "board_password", "swapline"),
    ("9810", "/metrics", "metrics_password", "metrics"),
)
"""Port, path, the file with the password, and who may look."""

OURS = ("simulator", "flower", "metrics", "board", "worker-io", "worker-finalize")


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Moved]:
    """Compose on this host, with an S3 server that has the bucket."""
    built = Moved(tmp_path)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(built.port["7070"]), verbose=False)
    server.start()
    for name, value in built.environment("board").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    assert requests.put(f"http://127.0.0.1:{built.port['7070']}/swapline", timeout=30).status_code == 200
    yield built
    server.stop()


@needs("redis-cli", "redis-tools")
def test_every_service_starts_is_healthy_does_its_part_and_stops(moved: Moved) -> None:
    with ExitStack() as ends:

        def start(name: str) -> subprocess.Popen[bytes]:
            child = ends.enter_context(moved.start(name))
            ends.callback(child.kill)
            return child

        def wait_for(name: str) -> None:
            waited_for(lambda: children[name].poll() is not None or moved.healthy(name))
            assert children[name].poll() is None, moved.log(name)

        assert not moved.healthy("redis")
        children = {"redis": start("redis")}
        wait_for("redis")
        children |= {name: start(name) for name in OURS}
        for name in OURS:
            wait_for(name)
        Control(f"http://127.0.0.1:{moved.port['8900']}").change(service_time="fixed:0.2", results="small")
        settings = ProducerSettings(
            redis_url=(moved.folder / "secrets" / "redis_producer_url").read_text().strip(),
            storage_url=SERVICES["worker-io"]["environment"]["SWAPLINE_STORAGE_URL"].split(":-")[1].rstrip("}"),
        )
        producer = Producer.connect(settings)
        job = producer.enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=12))
        done = producer.wait(job.job_id, timeout=60)
        assert done.state is State.SUCCEEDED
        assert settings.storage_url is not None
        assert open_storage(settings.storage_url).head(done.images[0].key) == done.images[0].bytes
        for port, path, file, user in PAGES:
            page = f"http://127.0.0.1:{moved.port[port]}{path}"
            assert requests.get(page, timeout=30).status_code == 401
            name, _, password = (moved.folder / "secrets" / file).read_text().strip().rpartition(":")
            assert requests.get(page, auth=(name or user, password), timeout=30).status_code == 200
        secrets = {file.read_text().strip() for file in (moved.folder / "secrets").iterdir()}
        assert {word for name in children for word in children[name].args if word in secrets} == set()  # type: ignore[union-attr]  # lists
        for name in reversed(children):
            children[name].terminate()
        for name, child in children.items():
            assert child.wait(45) in {0, -15}, moved.log(name)
        assert [name for name in children if "Traceback" in moved.log(name)] == []


def test_the_folder_of_the_bucket_is_made(tmp_path: Path) -> None:
    moved = Moved(tmp_path)
    assert moved.start("s3-folder").wait(30) == 0
    assert (tmp_path / "data" / "swapline").is_dir()


@needs("prometheus", "prometheus")
@needs("promtool", "prometheus")
def test_prometheus_starts_with_its_configuration(tmp_path: Path) -> None:
    from composed import ROOT  # noqa: PLC0415 -- of this test alone

    moved = Moved(tmp_path)
    config = moved.here((ROOT / "ops" / "docker" / "prometheus.yml").read_text())
    (tmp_path / "prometheus.yml").write_text(config)
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)
    argv = ["prometheus", *moved.argv("prometheus")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(argv, cwd=tmp_path, stderr=log, stdout=log) as child:
        try:
            waited_for(lambda: child.poll() is not None or "Server is ready" in (tmp_path / "log").read_text())
            assert child.poll() is None, (tmp_path / "log").read_text()
        finally:
            child.terminate()
