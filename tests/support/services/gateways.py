"""The gateway for tests: its own server on a free port, in a thread or as the command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.programs.installation import SWAPLINE
from support.programs.processes import start
from support.redis.fixtures import waited_for
from swapline_gateway.app import build_app
from swapline_gateway.server import build_server
from swapline_gateway.service import Service
from swapline_gateway.settings import GatewaySettings
from swapline_producer import Producer
from swapline_producer.contract.access import KeyLimits, Scope

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Installation
    from swapline_gateway.server import Server
    from swapline_workers.local.valkey.server import EmbeddedValkey

BOTH = (Scope.READ, Scope.WRITE)
URL = "https://pictures.example/me.jpg"
BODY = {"image": URL, "gender": 1, "filter_id": 12}


def settings_of(installation: Installation, *, storage_url: str = "") -> GatewaySettings:
    """Return settings of a gateway of this installation, or of one with another store."""
    return GatewaySettings(
        redis_url=installation.valkey.url,
        key_prefix=installation.prefix,
        storage_url=storage_url or installation.store.as_uri(),
        webhook_allow_private=True,
    )


@dataclass
class Gateway:
    """A gateway that listens, and a key of the tenant `acme`."""

    url: str
    producer: Producer
    key: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def new_key(self, tenant: str = "acme", *scopes: Scope, **limits: Any) -> str:
        key, _ = self.producer.ledger.api_keys.create(tenant, scopes or BOTH, limits=KeyLimits(**limits))
        return key

    def __call__(self, method: str, path: str, *, key: str | None = None, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"} | more.pop("headers", {})
        return self.session.request(method, self.url + path, headers=headers, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self("GET", path, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return self("POST", path, **more)


@contextmanager
def serving(settings: GatewaySettings, *, root_path: str = "") -> Generator[Gateway]:
    """Serve in a thread for the length of a block."""
    service = Service(Producer.connect(settings), settings, root_path)
    with listening_server(build_server(build_app(service), service)) as url:
        found = Gateway(f"{url}{root_path}", service.producer)
        found.key = found.new_key()
        try:
            yield found
        finally:
            found.session.close()
    service.close()
    service.producer.ledger.client.close()


@contextmanager
def listening_server(server: Server) -> Generator[str]:
    """Run a server in a thread for the length of a block; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            waited_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(30)


@pytest.fixture
def gateway_settings(valkey: EmbeddedValkey, prefix: str, tmp_path: Path) -> GatewaySettings:
    (tmp_path / "store").mkdir(exist_ok=True)
    return GatewaySettings(
        redis_url=valkey.url, key_prefix=prefix, storage_url=(tmp_path / "store").as_uri(), webhook_allow_private=True
    )


@pytest.fixture
def gateway(gateway_settings: GatewaySettings) -> Generator[Gateway]:
    with serving(gateway_settings) as found:
        yield found


@contextmanager
def gateway_process(
    folder: Path, environment: dict[str, str], *arguments: str, killed: bool = False
) -> Generator[tuple[str, int]]:
    """Run `swapline gateway` for the length of a block, in which it may be killed; gives its address and pid."""
    ready = folder / "gateway.json"
    child = start(
        [SWAPLINE, "gateway", "--port", "0", "--ready-file", ready, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        waited_for(lambda: ready.exists() or child.poll() is not None)
        yield json.loads(ready.read_text())["url"], child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) in {0, -signal.SIGTERM} | ({-signal.SIGKILL} if killed else set())
        ready.unlink(missing_ok=True)
