"""Object storage behind `s3://`, `gs://` and `az://`, through obstore.

obstore's runtime does not survive a fork: a child whose parent has used it hangs for ever, even with a new store. So
the store is made at its first use, and a process whose parent has used it raises instead of hanging. (To import
obstore before a fork is harmless.)
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions as foreign
from obstore.store import AzureStore, GCSStore, S3Store

from swapline_producer.errors import ObjectMissing, StorageError, StorageUnavailable
from swapline_producer.secret_files import SUFFIX, read_setting
from swapline_producer.storage.base import LONGEST_URL_LIFE, StoredObject, checked_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONNECT_TIMEOUT = 5.0
"""Seconds: a healthy store answers within one; five admit a lost packet or two."""

_RETRIES = 3
"""Repetitions of one request, after 0.1 s and doubling: enough for a hiccup. A longer outage is the step's matter."""

_LONGEST_REASON = 300
"""Characters of a foreign error that ours repeats: its first line says what happened, the rest is its source."""

_BATCH = 1000
"""Keys of one deletion: the limit of S3."""

_WRITER = "swaplinewriter"
"""Metadata of an object that was stored once: who wrote it. One word, as Azure's names may hold no dash."""

_NO_CONDITIONS = re.compile(r"501 Not Implemented|<Code>NotImplemented|not supported|not implemented", re.IGNORECASE)
"""What a server without conditional writes answers."""

_XML = re.compile(r"<\?xml|<Error")
_CODE = re.compile(r"<Code>(\w{1,100})</Code>")
"""Why S3 refused, in one word."""

_MISSING_PLACE = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_FOREIGN = (foreign.BaseError, OSError, ValueError, RuntimeError)
"""What obstore raises. An interrupt or a soft time limit, which Python raises on its return, is not among them."""

_PANIC = "PanicException"
"""The name of what a panic in Rust becomes: a BaseException in a module that cannot be imported."""

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
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
        """Say that this process uses obstore now. Raises StorageUnavailable where its parent has."""
        if cls.pid not in {None, os.getpid()}:
            raise StorageUnavailable(
                f"Object storage was used in process {cls.pid}, which then forked into this one ({os.getpid()}), and "
                "its client does not survive that; use storage after the fork only, or start processes by spawn.",
            )
        cls.pid = os.getpid()


class CloudStorage:
    """A bucket or container, below a prefix. It may be used from several threads."""

    def __init__(
        self, scheme: str, bucket: str, prefix: str = "", *, timeout: float = 60.0, public_url: str | None = None
    ) -> None:
        """Keep the address. `timeout` is seconds for one read or write, repetitions included.

        `public_url` is the endpoint for links of an S3 store, where it is another than the store's own.
        """
        self.address = f"{scheme}://{bucket}/{prefix}".rstrip("/")
        self._scheme = scheme
        self._bucket = bucket
        self._prefix = prefix
        self._timeout = timeout
        self._lock = threading.Lock()
        self._public_url = public_url
        self._made: dict[str | None, S3Store | GCSStore | AzureStore] = {}

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """See `Storage.put`."""
        with self._translated("written", key):
            self._put(key, data, {"Content-Type": content_type}, mode="overwrite")

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        """See `Storage.put_once`. One request more than `put`, and no upload, for what is there."""
        size = self.head(key)
        if size is None:
            writer = secrets.token_hex(8)
            if self._create(key, data, {"Content-Type": content_type, _WRITER: writer}):
                return True
            # The object exists. Where we wrote it, the reply to an earlier try was lost on its way.
            size, found = self._who_wrote(key)
            if found == writer:
                return True
        if size != len(data):
            raise StorageUnavailable(f"{key} in {self.address} already holds something else; look, then delete it.")
        return False

    def get(self, key: str) -> bytes:
        """See `Storage.get`."""
        with self._translated("read", key):
            return bytes(obstore.get(self._store(), checked_key(key)).bytes())

    def head(self, key: str) -> int | None:
        """See `Storage.head`."""
        try:
            with self._translated("read", key):
                return obstore.head(self._store(), checked_key(key))["size"]
        except ObjectMissing:
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """See `Storage.delete`."""
        wanted = [checked_key(key) for key in keys]
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            try:
                self._delete(batch)
            except ObjectMissing:
                # Google and Azure stop at the first object that is not there, and do not say which others they deleted.
                for key in batch:
                    self._delete_if_there(key)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """See `Storage.list`. The order is that of the keys' bytes."""
        folder = checked_key(prefix.strip("/")) if prefix.strip("/") else None
        with self._translated("listed", folder or "everything"):
            for chunk in obstore.list(self._store(), prefix=folder, offset=after or None, chunk_size=_BATCH):
                for found in chunk:
                    yield StoredObject(found["path"], found["size"], int(found["last_modified"].timestamp() * 1000))

    def abandoned(self, older_than: float) -> int:  # noqa: ARG002 -- the protocol's shape
        """See `Storage.abandoned`. A bucket shows whole objects only, and we upload none in parts."""
        return 0

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:
        """See `Storage.url`. Signed with our credentials: the URL alone allows reading this one object."""
        with self._translated("given a URL", key):
            life = timedelta(seconds=max(1.0, min(expires, LONGEST_URL_LIFE)))
            return obstore.sign(self._store(self._public_url), "GET", checked_key(key), life)

    def _put(self, key: str, data: bytes, attributes: dict[str, str], *, mode: Any) -> None:
        # Pictures have 2 to 8 MB: in parts, one upload is four requests, and leaves parts behind when it is cut off.
        obstore.put(self._store(), checked_key(key), data, attributes=attributes, mode=mode, use_multipart=False)

    def _create(self, key: str, data: bytes, attributes: dict[str, str]) -> bool:
        """Write an object if its key is free; False when it is not.

        A cut connection leaves open what became of a write, and obstore does not repeat a conditional one: we do, once,
        if time is left.
        """
        half_time = time.monotonic() + self._timeout / 2
        try:
            return self._create_now(key, data, attributes)
        except StorageUnavailable as error:
            if time.monotonic() > half_time or not isinstance(error.__cause__, foreign.GenericError):
                raise
            return self._create_now(key, data, attributes)

    def _create_now(self, key: str, data: bytes, attributes: dict[str, str]) -> bool:
        with self._translated("written", key):
            try:
                self._put(key, data, attributes, mode="create")
            except (foreign.AlreadyExistsError, foreign.PreconditionError):
                return False
            except foreign.BaseError as error:
                if not _NO_CONDITIONS.search(str(error)):
                    raise
                # Two that write at once then write the same bytes twice: a key of this kind names its content.
                self._put(key, data, attributes, mode="overwrite")
        return True

    def _who_wrote(self, key: str) -> tuple[int | None, str | None]:
        """Give the size of an object and the writer that it was stored once by."""
        with self._translated("read", key):
            found = obstore.get(self._store(), checked_key(key), options={"head": True})
            return found.meta["size"], found.attributes.get(_WRITER)

    def _delete(self, keys: Sequence[str]) -> None:
        with self._translated("deleted", keys[0]):
            obstore.delete(self._store(), keys)

    def _delete_if_there(self, key: str) -> None:
        try:
            self._delete([key])
        except ObjectMissing:
            return

    def _store(self, endpoint: str | None = None) -> S3Store | GCSStore | AzureStore:
        """Return this process's store, made at its first use. `endpoint` goes before the environment's."""
        _Runtime.enter()
        with self._lock:
            if endpoint not in self._made:
                self._made[endpoint] = self._make(endpoint)
            return self._made[endpoint]

    def _make(self, endpoint: str | None) -> S3Store | GCSStore | AzureStore:
        kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[self._scheme]
        half = timedelta(seconds=self._timeout / 2)  # a try begins in the first half and takes another at most
        made: S3Store | GCSStore | AzureStore = kind(
            self._bucket,
            prefix=self._prefix or None,
            client_options={
                "connect_timeout": timedelta(seconds=min(CONNECT_TIMEOUT, self._timeout / 2)),
                "timeout": half,
                "allow_http": endpoint.startswith("http://") if endpoint else _over_http(self._scheme),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": half},
            **_secrets_from_files(self._scheme),
            **({"aws_endpoint_url_s3": endpoint} if endpoint else {}),
        )
        return made

    @contextmanager
    def _translated(self, done: str, key: str) -> Iterator[None]:
        """Turn whatever obstore raises into our own errors."""
        try:
            yield
        except StorageError:
            raise
        except FileNotFoundError as error:
            if done == "written" or _MISSING_PLACE.search(str(error)):
                raise StorageUnavailable(
                    f"There is no {self.address} to keep {key} in; make the bucket, or correct SWAPLINE_STORAGE_URL.",
                ) from error
            raise ObjectMissing(f"There is no {key} in {self.address}.") from error
        except BaseException as error:
            if not isinstance(error, _FOREIGN) and type(error).__name__ != _PANIC:
                raise
            raise StorageUnavailable(
                f"{key} could not be {done} in {self.address} ({_reason(error)}); check SWAPLINE_STORAGE_URL "
                f"and {_CREDENTIALS[self._scheme]}.",
            ) from error


def _over_http(scheme: str) -> bool:
    """Whether the store's own endpoint was set to plain http, as for a server on the same host."""
    return any(os.environ.get(name, "").lower().startswith("http://") for name in _ENDPOINTS[scheme])


def _secrets_from_files(scheme: str) -> dict[str, str]:
    """The credentials whose `…_FILE` is set, as obstore calls them. Raises SettingsError for a file without one."""
    files = {name: os.environ.get(name + SUFFIX) for name in _SECRETS[scheme]}
    return {name.lower(): read_setting(name + SUFFIX, path) for name, path in files.items() if path}


def _reason(error: BaseException) -> str:
    """Give the first line of a foreign error, and the store's own word for it.

    What follows `?` in its URLs is left out, as signatures stand there, and so is the XML: keys may stand in it.
    """
    text = str(error).strip() or type(error).__name__
    first = re.sub(r"\?\S+", "", _XML.split(text.splitlines()[0])[0])[:_LONGEST_REASON].rstrip(": ")
    code = _CODE.search(text)
    return f"{first}: {code[1]}" if code and code[1] not in first else first
