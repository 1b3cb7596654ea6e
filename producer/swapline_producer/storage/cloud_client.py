"""obstore's clients for one bucket or container.

A child whose parent has used its runtime would hang, so it raises.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from swapline_producer.environment.secret_files import SUFFIX, read_setting
from swapline_producer.errors import StorageUnavailable
from swapline_producer.storage.odd_keys import ENDPOINTS

if TYPE_CHECKING:
    from swapline_producer.storage.odd_keys import Where

CONNECT_TIMEOUT = 5.0
"""Seconds: a healthy store answers within one."""

_RETRIES = 6
"""Over one to four seconds; longer outages are the step's."""

_FIRST_WAIT, _LAST_WAIT = timedelta(seconds=0.2), timedelta(seconds=1)
"""Between two tries of a request: doubled, with jitter, up to the last."""

_ENDPOINTS = {
    "s3": ENDPOINTS,
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_SECRETS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "gs": (),  # GOOGLE_APPLICATION_CREDENTIALS names a file anyway
    "az": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_CLIENT_SECRET"),
}


class _Runtime:
    """Which process has obstore's threads."""

    pid: int | None = None

    @classmethod
    def enter(cls) -> None:
        """Note that this process uses obstore. Raises StorageUnavailable after its parent did."""
        if cls.pid not in {None, os.getpid()}:
            raise StorageUnavailable(
                f"Object storage was used in process {cls.pid}, which then forked into this one ({os.getpid()}), and "
                "its client does not survive that; use storage after the fork only, or start processes by spawn.",
            )
        cls.pid = os.getpid()


class Clients:
    """The clients of one place."""

    def __init__(self, scheme: str, where: Where, timeout: float) -> None:
        """`timeout`: seconds, repetitions included."""
        self._scheme = scheme
        self._where = where
        self._timeout = timeout
        self._lock = threading.Lock()
        self._made: dict[str | None, S3Store | GCSStore | AzureStore] = {}

    def at(self, endpoint: str | None = None) -> S3Store | GCSStore | AzureStore:
        """Return this process's client. `endpoint` overrides the environment's."""
        _Runtime.enter()
        with self._lock:
            if endpoint not in self._made:
                self._made[endpoint] = self._make(endpoint)
            return self._made[endpoint]

    def _make(self, endpoint: str | None) -> S3Store | GCSStore | AzureStore:
        kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[self._scheme]
        own = {"aws_endpoint_url_s3": endpoint} if endpoint else {}
        made: S3Store | GCSStore | AzureStore = kind(
            self._where.bucket, prefix=self._where.prefix or None, **self._options(endpoint), **own
        )
        return made

    def for_one_request(self, endpoint: str) -> S3Store:
        """Open a store for one request below this very endpoint."""
        return S3Store(
            self._where.bucket,
            **self._options(endpoint),
            aws_endpoint_url_s3=endpoint,
            aws_virtual_hosted_style_request=True,
        )

    def _options(self, endpoint: str | None) -> dict[str, Any]:
        half = timedelta(seconds=self._timeout / 2)  # a try begins in the first half and takes another at most
        return {
            "client_options": {
                "connect_timeout": timedelta(seconds=min(CONNECT_TIMEOUT, self._timeout / 2)),
                "timeout": half,
                "allow_http": endpoint.startswith("http://") if endpoint else _over_http(self._scheme),
            },
            "retry_config": {
                "max_retries": _RETRIES,
                "retry_timeout": half,
                "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": _LAST_WAIT, "base": 2},
            },
            **_secrets_from_files(self._scheme),
            **_signing(self._scheme, endpoint),
        }


def _over_http(scheme: str) -> bool:
    return any(os.environ.get(name, "").lower().startswith("http://") for name in _ENDPOINTS[scheme])


def _signing(scheme: str, endpoint: str | None) -> dict[str, Any]:
    """Leave the body out of the signature over TLS and on this host: its hash is a tenth of a worker's CPU.

    `AWS_UNSIGNED_PAYLOAD` decides otherwise.
    """
    if scheme != "s3" or "AWS_UNSIGNED_PAYLOAD" in os.environ:
        return {}
    endpoints = [endpoint] if endpoint else [os.environ[name] for name in _ENDPOINTS["s3"] if os.environ.get(name)]
    return {"aws_unsigned_payload": all(_is_unchanged_on_its_way(address) for address in endpoints)}


def _is_unchanged_on_its_way(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme.lower() == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}


def _secrets_from_files(scheme: str) -> dict[str, str]:
    """By obstore's names. Raises SettingsError."""
    files = {name: os.environ.get(name + SUFFIX) for name in _SECRETS[scheme]}
    return {name.lower(): read_setting(name + SUFFIX, path) for name, path in files.items() if path}
