"""Object storage behind `s3://`, `gs://` and `az://`, through obstore."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions as foreign

from swapline_producer.errors import ObjectMissing, StorageError, StorageUnavailable
from swapline_producer.storage.base import LONGEST_URL_LIFE, StoredObject, checked_key, is_key
from swapline_producer.storage.cloud_client import Clients
from swapline_producer.storage.cloud_errors import translated
from swapline_producer.storage.odd_keys import Where, list_s3, refused_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableSequence, Sequence
    from contextlib import AbstractContextManager

_WAITS = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds between tries of a conditional write."""

_BATCH = 1000
"""Keys of one deletion by S3."""

_WRITER = "swaplinewriter"
"""Metadata of our objects. One word: Azure admits no dash."""

_NO_CONDITIONS = re.compile(r"501 Not Implemented|<Code>NotImplemented|not supported|not implemented", re.IGNORECASE)
"""Answers of servers without conditional writes."""


class PassingConflict(StorageUnavailable):
    """Another writer is at the key (409)."""


def _may_pass(error: StorageError) -> bool:
    return isinstance(error, PassingConflict) or isinstance(error.__cause__, foreign.GenericError)


class CloudStorage:
    """A bucket or container, below a prefix. Thread-safe."""

    def __init__(self, scheme: str, bucket: str, prefix: str, *, timeout: float, public_url: str | None = None) -> None:
        """See `open_storage`."""
        self.address = f"{scheme}://{bucket}/{prefix}".rstrip("/")
        self._scheme = scheme
        self._where = Where(bucket, prefix)
        self._timeout = timeout
        self._public_url = public_url
        self._clients = Clients(scheme, self._where, timeout)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """See `Storage.put`."""
        with self._translated("written", key):
            self._put(key, data, {"Content-Type": content_type}, mode="overwrite")

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        """See `Storage.put_once`. One request where the key is free."""
        attributes = {"Content-Type": content_type, _WRITER: secrets.token_hex(8)}
        last = time.monotonic() + min(sum(_WAITS), self._timeout / 2)
        for wait in _WAITS:
            try:
                return self._create_or_compare(key, data, attributes)
            except StorageError as error:
                if not _may_pass(error) or time.monotonic() + wait > last:
                    raise
            time.sleep(wait)
        return self._create_or_compare(key, data, attributes)

    def get(self, key: str) -> bytes:
        """See `Storage.get`."""
        with self._translated("read", key):
            return bytes(obstore.get(self._clients.at(), checked_key(key)).bytes())

    def head(self, key: str) -> int | None:
        """See `Storage.head`. It cannot tell that the bucket is missing."""
        try:
            with self._translated("read", key):
                return obstore.head(self._clients.at(), checked_key(key))["size"]
        except ObjectMissing:
            self._see_place(key)
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
                self._see_place(batch[0])
                for key in batch:
                    with suppress(ObjectMissing):
                        self._delete([key])

    def list(
        self, prefix: str = "", *, after: str = "", odd: MutableSequence[str] | None = None
    ) -> Iterator[StoredObject]:
        """See `Storage.list`. Ordered by the keys' bytes."""
        folder = checked_key(prefix.strip("/")) if prefix.strip("/") else None
        with self._translated("listed", folder or "everything"):
            for found in self._everything(folder, after):
                if is_key(found.key) and found.key != folder:
                    yield found
                elif odd is not None:
                    odd.append(found.key)

    def _everything(self, folder: str | None, after: str) -> Iterator[StoredObject]:
        """List a folder; where obstore refuses a foreign key of S3, go on by our own client."""
        try:
            for found in self._listed(folder, after):
                after = found.key
                yield found
        except foreign.BaseError as error:
            refused = refused_key(error)
            if refused is None:
                raise
            if self._scheme != "s3":
                raise StorageUnavailable(
                    f"{refused!r} in {self.address} can be no name of ours, and hides the others: delete it."
                ) from error
            yield from list_s3(self._clients.for_one_request, self._where, folder, after, timeout=self._timeout)

    def _listed(self, folder: str | None, after: str) -> Iterator[StoredObject]:
        for chunk in obstore.list(self._clients.at(), prefix=folder, offset=after or None, chunk_size=_BATCH):
            for found in chunk:
                yield StoredObject(found["path"], found["size"], int(found["last_modified"].timestamp() * 1000))

    def abandoned(self, older_than: float) -> int:  # noqa: ARG002 -- the protocol's shape
        """Return 0: we upload no object in parts."""
        return 0

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:
        """See `Storage.url`. Signed with our credentials for reading this one object."""
        with self._translated("given a URL", key):
            life = timedelta(seconds=max(1.0, min(expires, LONGEST_URL_LIFE)))
            return obstore.sign(self._clients.at(self._public_url), "GET", checked_key(key), life)

    def _put(self, key: str, data: bytes, attributes: dict[str, str], *, mode: Any) -> None:
        # Pictures have 2 to 8 MB: in parts, one upload is four requests, and leaves parts behind when it is cut off.
        obstore.put(self._clients.at(), checked_key(key), data, attributes=attributes, mode=mode, use_multipart=False)

    def _create_or_compare(self, key: str, data: bytes, attributes: dict[str, str]) -> bool:
        if self._create(key, data, attributes):
            return True
        size, writer = self._who_wrote(key)
        if writer == attributes[_WRITER]:  # the reply to an earlier try was lost on its way
            return True
        if size != len(data):
            raise StorageUnavailable(f"{key} in {self.address} already holds something else; look, then delete it.")
        return False

    def _create(self, key: str, data: bytes, attributes: dict[str, str]) -> bool:
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
        try:
            with self._translated("read", key):
                found = obstore.get(self._clients.at(), checked_key(key), options={"head": True})
                return found.meta["size"], found.attributes.get(_WRITER)
        except ObjectMissing as error:
            raise PassingConflict(f"{key} in {self.address} is being written by another writer; try later.") from error

    def _delete(self, keys: Sequence[str]) -> None:
        with self._translated("deleted", keys[0]):
            obstore.delete(self._clients.at(), keys)

    def _see_place(self, key: str) -> None:
        with suppress(ObjectMissing), self._translated("read", key):
            obstore.get(self._clients.at(), key)

    def _translated(self, done: str, key: str) -> AbstractContextManager[None]:
        return translated(self._scheme, self.address, done, key)
