"""An S3 server as tests know it: its address, credentials, buckets of their own."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]  # it ships no types
from botocore.config import Config  # type: ignore[import-untyped]  # the same
from botocore.exceptions import ConnectionError as NoConnection  # type: ignore[import-untyped]  # the same
from botocore.exceptions import HTTPClientError

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

AMBIENT = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AWS_SESSION_TOKEN",
    "AWS_UNSIGNED_PAYLOAD",
)


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
        with self._client() as client:
            client.create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, *keys: str) -> None:
        """Put objects under any names, as other programs and consoles may; markers of folders are empty."""
        with self._client() as client:
            for key in keys:
                client.put_object(Bucket=bucket, Key=key, Body=b"" if key.endswith("/") else b"odd")

    def owner(self) -> str | None:
        """Return the owner of our key; None without a server, empty if the server does not report it."""
        try:
            with self._client() as client:
                key_owner: str = client.list_buckets().get("Owner", {}).get("ID", "")
        except (NoConnection, HTTPClientError):
            return None
        return key_owner

    @contextmanager
    def _client(self) -> Generator[Any]:
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        try:
            yield client
        finally:
            client.close()

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have this process talk to it."""
        for name in AMBIENT:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)


class MotoServer(S3Server):
    """Moto in this process."""

    def put(self, bucket: str, *keys: str) -> None:
        """Put objects past HTTP: thousands take a tenth of the time."""
        from moto.core.models import DEFAULT_ACCOUNT_ID  # noqa: PLC0415 -- takes half a second
        from moto.s3.models import s3_backends  # noqa: PLC0415 -- the same

        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in keys:
            backend.put_object(bucket, key, b"" if key.endswith("/") else b"odd")
