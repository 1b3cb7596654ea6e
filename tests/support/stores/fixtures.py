"""Stores for tests: a folder, and S3 as moto serves it, as compose's own server does, or as another real one.

`make test-s3` names a real one in the environment: by S3_TEST_ENDPOINT, S3_TEST_KEY and S3_TEST_SECRET, or a Ceph that
is started for the run by S3_TEST_CEPH.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.services.compose import Moved
from support.stores import ceph
from support.stores.s3 import MotoServer, S3Server
from swapline_producer.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from swapline_producer.storage import Storage


@pytest.fixture(scope="session")
def real_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server | None]:
    """The real S3 server that was asked for, for all tests of a folder; None where none was."""
    if "S3_TEST_ENDPOINT" in os.environ:
        yield S3Server(*(os.environ[f"S3_TEST_{name}"] for name in ("ENDPOINT", "KEY", "SECRET")))
    elif "S3_TEST_CEPH" in os.environ:
        if missing := ceph.missing():
            pytest.skip(f"{missing} is not installed: apt-get install {ceph.PACKAGES}")
        with ceph.gateway(tmp_path_factory.mktemp("ceph")) as server:
            yield server
    else:
        yield None


@pytest.fixture(scope="module")
def s3_server(real_s3_server: S3Server | None) -> Generator[S3Server]:
    """An S3 server for a module."""
    if real_s3_server is not None:
        yield real_s3_server
        return
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 -- takes half a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield MotoServer(f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    server.stop()


@pytest.fixture(scope="session")
def compose_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server]:
    """The S3 server of docker-compose.yml, started by its own command line."""
    moved = Moved(tmp_path_factory.mktemp("compose"))
    assert moved.start("s3-folder").wait(30) == 0
    with moved.running("s3"):
        yield moved.s3_server()


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty store of each kind."""
    if request.param == "file":
        return open_storage((tmp_path / "store").as_uri())
    server: S3Server = request.getfixturevalue("s3_server")
    server.enter(monkeypatch)
    return open_storage(f"s3://{server.new_bucket()}/some/prefix", timeout=20)
