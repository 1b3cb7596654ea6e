"""Stores for tests: a folder, and S3 as moto serves it, or as a real server does.

With S3_TEST_ENDPOINT, S3_TEST_KEY and S3_TEST_SECRET in the environment that server is used instead (`make test-s3`).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3  # type: ignore[import-untyped]  # it ships no types
import pytest
from moto.server import ThreadedMotoServer

from swapline_producer.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from swapline_producer.storage import Storage

AMBIENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class S3Server:
    """Where an S3 server is, and how it is entered."""

    endpoint: str
    key: str = "canary-storage-key"
    secret: str = "canary-storage-secret"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to know of it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
        }

    def new_bucket(self) -> str:
        """Make a bucket with a name of its own; give the name."""
        name = f"swapline-{secrets.token_hex(6)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have this process talk to it."""
        for name in AMBIENT:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def s3_server() -> Generator[S3Server]:
    """An S3 server for a module."""
    if "S3_TEST_ENDPOINT" in os.environ:
        yield S3Server(*(os.environ[f"S3_TEST_{name}"] for name in ("ENDPOINT", "KEY", "SECRET")))
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield S3Server(f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    server.stop()


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty store of each kind."""
    if request.param == "file":
        return open_storage((tmp_path / "store").as_uri())
    server: S3Server = request.getfixturevalue("s3_server")
    server.enter(monkeypatch)
    return open_storage(f"s3://{server.new_bucket()}/some/prefix", timeout=20)
