"""Canary secrets and canary faces go through everything; then every surface that a person can see is searched.

`SURFACES` is the list: a new surface is one line, a function of the evidence that gives the bytes to be seen there.
Secrets and faces must be on none of them. A person's words (names, tokens in URLs) live in the job's record, its
receipt and its webhooks, and nowhere else: surfaces in `WITHOUT_WORDS` must not show those either.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis
import requests
from celery import Celery

from support.pictures.pngs import SIGNATURE, chunk, ihdr, rows
from support.programs.installation import SECRET, Installation
from support.redis.fixtures import waited_for
from support.services.boards import RIGHT, board
from support.services.flowers import ME, flower
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_simulator import Simulator, SimulatorConfig
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.programs.installation import Receiver, Worker
    from support.stores.s3 import S3Server

API_KEY = "canary-api-key-6f1d"
REDIS_PASSWORD = "canary-redis-password-6f1d"
FACE_MARK = b"canary-face-6f1d-canary-face-6f1d-canary-face"
FACE = b"".join(
    [SIGNATURE, ihdr(), chunk(b"tEXt", b"c\0" + FACE_MARK), chunk(b"IDAT", zlib.compress(rows())), chunk(b"IEND")]
)
WORDS = {
    "metadata": {"canary-word": "canary-word-6f1d"},
    "tenant": "canary-tenant",
    "idempotency_key": "canary-word-key",
    "batch": "canary-word-batch",
}
LINK = "https://pictures.example/me.jpg?token=canary-word-token"


def in_base64(text: bytes) -> list[bytes]:
    """What a text looks like inside of base64, wherever it begins: its middle is the same at each of three offsets."""
    return [base64.b64encode(b"\0" * offset + text)[4 * offset :][4:-8] for offset in range(3)]


@dataclass
class Evidence:
    """What was seen while jobs went through."""

    installation: Installation
    worker: Worker
    s3: S3Server
    monitor: bytearray = field(default_factory=bytearray)
    events: list[dict[str, Any]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    webhooks: list[bytes] = field(default_factory=list)
    board: str = ""
    flower: str = ""

    @property
    def secrets(self) -> list[bytes]:
        whsec = SECRET.removeprefix("whsec_")
        raw = [API_KEY, REDIS_PASSWORD, self.s3.secret, whsec]
        plain = [one.encode() for one in raw] + [base64.b64decode(whsec)]
        return [*plain, *(part for one in plain for part in in_base64(one))]

    @property
    def faces(self) -> list[bytes]:
        return [FACE_MARK, *in_base64(FACE_MARK)]

    def app(self) -> Celery:
        app = Celery("onlooker", set_as_current=False)
        settings = ProducerSettings(redis_url=self.installation.valkey.url, key_prefix=self.installation.prefix)
        app.conf.update(broker_settings(settings))
        app.conf.update(broker_transport="swapline_workers.dispatch.transport:Transport")
        return app

    def cli(self, *arguments: str) -> bytes:
        done = self.installation.cli(*arguments)
        return (done.stdout + done.stderr).encode()


def _keys(seen: Evidence) -> bytes:
    client: Any = redis.Redis.from_url(seen.installation.valkey.url)
    parts: list[bytes] = []
    for name in client.scan_iter():
        read = {b"hash": client.hgetall, b"string": client.get, b"set": client.smembers}
        kind = client.type(name)
        value = read[kind](name) if kind in read else getattr(client, f"{kind.decode()[0]}range")(name, 0, -1)
        parts += [name, client.dump(name) or b"", repr(value).encode()]
    client.close()
    return b"\n".join(parts)


def _on_disk(seen: Evidence) -> bytes:
    files = (path for path in Path(seen.installation.valkey.folder).rglob("*") if path.is_file())
    return b"\n".join(path.read_bytes() for path in files if path.name not in CONFIGURATION)


CONFIGURATION = {"password", "valkey.conf"}
"""The server's own files of mode 0600, where its password belongs."""


def _inspect(seen: Evidence) -> bytes:
    inspect = seen.app().control.inspect(timeout=10, limit=1)
    parts = [inspect.active(), inspect.reserved(), inspect.scheduled(), inspect.stats(), inspect.registered()]
    shown = [*parts, inspect.conf(with_defaults=True), inspect.report(), inspect.active_queues()]
    assert all(shown), "the worker did not answer"
    return json.dumps(shown, default=str).encode()


def _arguments(seen: Evidence) -> bytes:
    pids = [seen.worker.child.pid]
    return b"\n".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)


def _board(seen: Evidence) -> bytes:
    pages = ["/", "/jobs", *(f"/jobs/{one}" for one in seen.job_ids), f"/search?q={seen.job_ids[0]}"]
    return _pages(seen.board, RIGHT, pages)


def _flower(seen: Evidence) -> bytes:
    tasks = (f"/task/{one}-{step}" for one in seen.job_ids for step in ("submit", "notify"))
    return _pages(seen.flower, ME, ["/tasks", "/workers", "/broker", "/api/tasks", "/api/workers?refresh=1", *tasks])


def _pages(url: str, auth: tuple[str, str], pages: list[str]) -> bytes:
    replies = [requests.get(url + page, auth=auth, timeout=60) for page in pages]
    assert [reply.status_code for reply in replies] == [200] * len(pages)
    return b"\n".join(reply.content for reply in replies)


SURFACES: dict[str, Callable[[Evidence], bytes]] = {
    "messages on the queues": lambda seen: b"\n".join(seen.messages),
    "the broker's and ledger's keys": _keys,
    "the server's files": _on_disk,
    "every command that Redis was sent": lambda seen: bytes(seen.monitor),
    "the worker's log": lambda seen: seen.worker.log().encode(),
    "Celery's events": lambda seen: json.dumps(seen.events, default=str).encode(),
    "inspect": _inspect,
    "command lines": _arguments,
    "webhooks": lambda seen: b"\n".join(seen.webhooks),
    "swapline jobs list": lambda seen: seen.cli("jobs", "list", "--json"),
    "swapline jobs show": lambda seen: b"".join(seen.cli("jobs", "show", one, "--json") for one in seen.job_ids[:1]),
    "swapline jobs events": lambda seen: b"".join(seen.cli("jobs", "events", one) for one in seen.job_ids),
    "swapline slots": lambda seen: seen.cli("slots", "--json"),
    "swapline metrics": lambda seen: seen.cli("metrics", "--once"),
    "swapline doctor": lambda seen: seen.cli("doctor", "--json"),
    "the board": _board,
    "Flower": _flower,
}
WITHOUT_WORDS = {
    "messages on the queues",
    "the worker's log",
    "Celery's events",
    "inspect",
    "command lines",
    "swapline jobs events",
    "swapline slots",
    "swapline metrics",
    "Flower",
}


def _listen(seen: Evidence, ready: threading.Event, link: socket.socket) -> None:
    """Keep what MONITOR tells, until the connection is closed."""
    address = urlsplit(seen.installation.valkey.url)
    link.connect((address.hostname, address.port))
    link.sendall(f"AUTH {REDIS_PASSWORD}\r\nMONITOR\r\n".encode())
    while block := link.recv(65536):
        seen.monitor += block
        if seen.monitor.count(b"+OK") >= 2:
            ready.set()


@contextmanager
def _onlookers(installation: Installation, folder: Path) -> Generator[tuple[str, str]]:
    """The pages for people, the board's address and Flower's: they look on from before the first job."""
    port = free_port()
    login = ":".join(ME)
    monitor = flower(folder, port, **installation.environment, FLOWER_BASIC_AUTH=login)
    monitor.start()
    try:
        with board(folder, **installation.environment) as url:
            yield url, f"http://127.0.0.1:{port}"
    finally:
        monitor.stop()


@pytest.fixture
def seen(
    tmp_path_factory: pytest.TempPathFactory,
    prefix: str,
    tmp_path: Path,
    receiver: Receiver,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Evidence]:
    """One job of each kind has gone through: by picture, by link, one that fails, one whose webhook fails once."""
    s3_server.enter(monkeypatch)
    bucket = s3_server.new_bucket()
    store = tmp_path / "store"
    store.mkdir()
    config = SimulatorConfig(seed=7, service_time="fixed:0.1", results="small", key=API_KEY)
    with (
        EmbeddedValkey(tmp_path_factory.mktemp("valkey"), password=REDIS_PASSWORD, appendfsync="everysec") as valkey,
        Simulator(config) as vendor,
    ):
        installation = Installation(valkey, prefix, store, vendor, receiver)
        installation.more = {"SWAPLINE_STORAGE_URL": f"s3://{bucket}/all", **s3_server.environment}
        with (
            _onlookers(installation, tmp_path) as urls,
            installation.worker("-l", "DEBUG") as worker,
            socket.socket() as link,
        ):
            evidence = Evidence(installation, worker, s3_server, board=urls[0], flower=urls[1])
            ready = threading.Event()
            listener = threading.Thread(target=_listen, args=(evidence, ready, link))
            listener.start()
            assert ready.wait(30)
            stop = _receive_events(evidence)
            _run_jobs(evidence, f"s3://{bucket}/all", receiver)
            stop()
            link.shutdown(socket.SHUT_RDWR)
            listener.join(30)
            yield evidence


def _receive_events(seen: Evidence) -> Callable[[], None]:
    app = seen.app()
    connection = app.connection()
    receiver = app.events.Receiver(connection, handlers={"*": seen.events.append})
    thread = threading.Thread(target=lambda: receiver.capture(limit=None, timeout=None, wakeup=True))
    thread.start()
    waited_for(lambda: any(event["type"] == "worker-heartbeat" for event in seen.events))

    def stop() -> None:
        receiver.should_stop = True
        thread.join(30)
        connection.close()
        app.close()

    return stop


def _run_jobs(seen: Evidence, storage_url: str, receiver: Receiver) -> None:
    installation = seen.installation
    settings = ProducerSettings(
        redis_url=installation.valkey.url,
        key_prefix=installation.prefix,
        storage_url=storage_url,
        webhook_allow_private=True,
    )
    producer = Producer.connect(settings)
    receiver.answers = [500]
    common = {"gender": 0, "webhook_url": f"{receiver.url}?token=canary-word-hook", **WORDS}
    wanted = [
        {"image": FACE, "filter_id": 1},
        {"image": LINK, "filter_id": 1},
        {"image": FACE, "filter_id": 100_000},  # the vendor refuses it
    ]
    for number, one in enumerate(wanted):
        request = SwapRequest(**{**common, **one, "idempotency_key": f"canary-word-key-{number}"})
        seen.job_ids.append(producer.enqueue(request).job_id)
    done = producer.wait_many(seen.job_ids, timeout=60)
    assert [job.state for job in done] == [State.SUCCEEDED, State.SUCCEEDED, State.FAILED]
    waited_for(lambda: len(receiver.raw) >= 4)  # three jobs, one told twice
    seen.webhooks = [body for body, _ in receiver.raw]
    pushed = bytes(seen.monitor).split(b"\r\n")
    seen.messages = [line for line in pushed if b'"LPUSH"' in line]
    assert seen.messages


def test_secrets_and_faces_are_on_no_surface_and_words_only_where_they_belong(seen: Evidence) -> None:
    shown = {name: shown_text(seen) for name, shown_text in SURFACES.items()}
    assert [name for name, text in shown.items() if len(text) < 10] == []  # something is to be seen everywhere
    found = {
        (name, canary)
        for name, text in shown.items()
        for canary in [*seen.secrets, *seen.faces, *([b"canary-word"] if name in WITHOUT_WORDS else [])]
        if canary in text
    }
    assert found == set(), [line for line in seen.worker.lines if "canary" in line][:5]
    assert b"canary-word" in shown["the broker's and ledger's keys"]  # the search finds what is there
    assert any(event["type"] == "task-succeeded" for event in seen.events)


def test_the_search_would_find_a_face_in_base64() -> None:
    for before in range(3):
        text = base64.b64encode(b"x" * before + FACE)
        assert any(part in text for part in in_base64(FACE_MARK))
