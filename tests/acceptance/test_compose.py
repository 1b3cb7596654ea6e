"""Every command line and every health check of docker-compose.yml, started by hand on this host; Grafana's are not.

Grafana comes neither from the lock nor from Debian. What can be said of its part without it is in test_grafana.py.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # it ships no types
import pytest
import requests
from botocore.config import Config  # type: ignore[import-untyped]  # the same

from support.http.raw_server import Caller, RawServer, reply
from support.pictures.pngs import png
from support.programs.debian import needs
from support.redis.fixtures import waited_for
from support.services.compose import ROOT, SERVICES, Moved
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage import open_storage
from swapline_simulator.client import Control

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_producer.storage import Storage

PAGES = (
    ("5555", "/workers", "flower_auth", ""),
    ("5556", "/", "board_password", "swapline"),
    ("9810", "/metrics", "metrics_password", "metrics"),
)
"""Port, path, the file with the password, and who may look."""

BUCKET = SERVICES["worker-io"]["environment"]["SWAPLINE_STORAGE_URL"].split(":-")[1].rstrip("}")
FIRST = ("redis", "s3")
OURS = ("simulator", "flower", "metrics", "board", "backend", "worker-io", "worker-finalize")


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moved:
    """Compose on this host; this process finds the store as a worker would."""
    built = Moved(tmp_path)
    for name, value in built.environment("board").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return built


@needs("redis-cli", "redis-tools")
def test_every_service_starts_is_healthy_does_its_part_and_stops(moved: Moved) -> None:
    with ExitStack() as ends:

        def start(name: str) -> subprocess.Popen[bytes]:
            child = moved.start(name)
            ends.callback(moved.end, child)
            return child

        assert moved.start("s3-folder").wait(30) == 0
        assert [name for name in FIRST if moved.healthy(name)] == []
        children = {name: start(name) for name in FIRST}
        for name in FIRST:
            moved.wait_for(name, children[name])
        children |= {name: start(name) for name in OURS}
        for name in OURS:
            moved.wait_for(name, children[name])
        Control(f"http://127.0.0.1:{moved.port['8900']}").change(service_time="fixed:0.2", results="small")
        settings = ProducerSettings(
            redis_url=(moved.folder / "secrets" / "redis_producer_url").read_text().strip(),
            storage_url=BUCKET,
        )
        producer = Producer.connect(settings)
        job = producer.enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=12))
        done = producer.wait(job.job_id, timeout=60)
        assert done.state is State.SUCCEEDED
        assert open_storage(BUCKET).head(done.images[0].key) == done.images[0].bytes
        backend = f"http://127.0.0.1:{moved.port['8000']}/swaps"
        asked = {"gender": "female", "filter_id": "12", "order": "1"}
        answers = [requests.post(backend, png(300, 300), params=asked, timeout=30) for _ in range(2)]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(202, answers[0].json())] * 2
        page = f"{backend}/{answers[0].json()['job_id']}"
        assert requests.get(page, params={"wait": 60}, timeout=70).json()["state"] == "SUCCEEDED"
        assert requests.get(f"{page}/picture", timeout=30).content.startswith(b"\x89PNG")
        assert requests.post(backend, b"no picture", params=asked, timeout=30).status_code == 422
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
            assert child.wait(45) in {0, -15, 143}, moved.log(name)  # 143: rclone's own
        assert [name for name in children if "Traceback" in moved.log(name)] == []


def test_the_folders_of_the_bucket_are_made_and_what_keeps_them_is_in_no_list(moved: Moved) -> None:
    for _ in range(2):  # `docker compose up` again
        assert moved.start("s3-folder").wait(30) == 0
    assert {path.name for path in (moved.folder / "data" / "swapline").iterdir()} == {"inputs", "results"}
    with moved.running("s3"):
        assert list(open_storage(BUCKET).list()) == []


def test_the_s3_server_is_not_healthy_without_its_bucket_and_lets_nobody_in_without_the_key(moved: Moved) -> None:
    address = f"http://127.0.0.1:{moved.port['7070']}/"
    child = moved.start("s3")
    try:
        waited_for(lambda: answers(address))
        assert not moved.healthy("s3")
    finally:
        moved.end(child)
    assert moved.start("s3-folder").wait(30) == 0
    with moved.running("s3"):
        for page in (address, f"{address}swapline", f"{address}swapline/results/a"):
            assert requests.get(page, timeout=10).status_code in {400, 403}
            assert requests.put(page, b"x", timeout=10).status_code in {400, 403}
        secret = moved.folder / "secrets" / "s3_secret_key"
        secret.chmod(0o600)
        secret.write_text("another")
        assert not moved.healthy("s3")


def answers(address: str) -> bool:
    """Whether a server speaks HTTP there."""
    try:
        requests.get(address, timeout=10)
    except requests.ConnectionError:
        return False
    return True


def test_what_the_s3_server_has_taken_is_there_after_it_was_killed_and_half_a_picture_is_not(moved: Moved) -> None:
    assert moved.start("s3-folder").wait(30) == 0
    picture = b"picture" * 100_000
    taken: list[str] = []
    with moved.running("s3") as child, half_an_upload(moved):
        storage = open_storage(BUCKET, timeout=1)
        stop = threading.Thread(target=write_until_it_fails, args=(storage, picture, taken))
        stop.start()
        waited_for(lambda: len(taken) >= 20 and len(half_written(moved)) >= 1)
        child.kill()
        stop.join()
    assert half_written(moved) != []
    with moved.running("s3"):
        assert half_written(moved) == []
        storage = open_storage(BUCKET, timeout=10)
        assert [key for key in taken if storage.get(key) != picture] == []
        listed = {found.key for found in storage.list()}
        assert set(taken) <= listed
        assert len(listed) <= len(taken) + 1  # one may have been taken whose answer was cut off


def write_until_it_fails(storage: Storage, picture: bytes, taken: list[str]) -> None:
    """Write one picture after another, and note each that was taken."""
    with suppress(StorageUnavailable):
        for number in count():
            storage.put(f"results/default/{number}/0.png", picture, "image/png")
            taken.append(f"results/default/{number}/0.png")


def half_written(moved: Moved) -> list[str]:
    """Files in which the S3 server has the beginning of something."""
    return [path.name for path in (moved.folder / "data").rglob(".rclone_temp_*") if path.name != ".rclone_temp_keep"]


@contextmanager
def half_an_upload(moved: Moved) -> Generator[None]:
    """Send the first half of a picture from another process, and wait."""
    server = moved.s3_server()
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        config=Config(proxies={}, signature_version="s3v4"),
    )
    url = urlsplit(
        client.generate_presigned_url("put_object", Params={"Bucket": "swapline", "Key": "results/half.png"})
    )
    client.close()
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 2000000\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=10) as line:
        line.sendall(head.encode() + bytes(1_000_000))
        yield


@needs("wget", "wget")
@needs("prometheus", "prometheus")
@needs("promtool", "prometheus")
def test_prometheus_starts_with_its_configuration_and_is_healthy(moved: Moved) -> None:
    config = moved.folder / "prometheus.yml"
    config.write_text(moved.here((ROOT / "ops" / "docker" / "prometheus.yml").read_text()))
    subprocess.run(["promtool", "check", "config", config], check=True, capture_output=True)
    assert not moved.healthy("prometheus")
    with moved.running("prometheus") as child:
        page = f"http://127.0.0.1:{moved.port['9090']}"
        waited_for(lambda: requests.get(f"{page}/-/ready", timeout=10).ok)  # healthy is: it lives
        rules = requests.get(f"{page}/api/v1/rules", timeout=10).json()
        manager = f"http://127.0.0.1:{moved.port['9093']}/api/v2/alerts"
        waited_for(lambda: manager in requests.get(f"{page}/api/v1/alertmanagers", timeout=10).text)
        assert len(rules["data"]["groups"][0]["rules"]) > 10
        child.terminate()
        assert child.wait(30) == 0, moved.log("prometheus")


@needs("wget", "wget")
@needs("amtool", "prometheus-alertmanager")
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_alertmanager_calls_whom_a_severity_is_for(moved: Moved, severity: str) -> None:
    called: SimpleQueue[bytes] = SimpleQueue()

    def receiver(caller: Caller) -> None:
        called.put(caller.read_request())
        caller.send(reply(b"", "200 OK"))

    with RawServer(receiver) as server:
        address = moved.folder / "secrets" / f"alerts_{severity}_url"
        address.chmod(0o600)
        address.write_text(f"http://127.0.0.1:{server.port}/")
        text = moved.here((ROOT / "ops" / "prometheus" / "alertmanager.yml").read_text()).replace("30s", "0s")
        config = moved.folder / "alertmanager.yml"  # Debian's Alertmanager is older than `url_file`
        config.write_text(re.sub(r"url_file: (\S+)", lambda found: f"url: {Path(found[1]).read_text().strip()}", text))
        subprocess.run(["amtool", "check-config", config], check=True, capture_output=True)
        with moved.running("alertmanager") as child:
            alert = {"labels": {"alertname": "SwaplineSlotsIdle", "severity": severity}}
            page = f"http://127.0.0.1:{moved.port['9093']}/api/v2/alerts"
            waited_for(lambda: requests.post(page, json=[alert], timeout=10).ok)
            assert b'"SwaplineSlotsIdle"' in called.get(timeout=30)
            child.terminate()
            assert child.wait(30) == 0, moved.log("alertmanager")


@needs("wget", "wget")
@pytest.mark.parametrize(("answer", "healthy"), [("200 OK", True), ("503 Service Unavailable", False)])
def test_grafanas_health_check_asks_its_health_page(moved: Moved, answer: str, healthy: bool) -> None:
    asked: list[bytes] = []

    def grafana(caller: Caller) -> None:
        asked.append(caller.read_request())
        caller.send(reply(b'{"database": "ok"}', answer))

    assert not moved.healthy("grafana")
    with RawServer(grafana) as server:
        moved.take_port("3000", server.port)
        assert moved.healthy("grafana") is healthy
    assert {request.split(b" HTTP")[0] for request in asked} == {b"GET /api/health"}
