"""Pictures of jobs in object storage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pybase64

from swapline_producer.contract import LinkedImage
from swapline_producer.errors import ObjectMissing
from swapline_producer.storage import LONGEST_URL_LIFE
from swapline_producer.storage.keys import media_type_of, receipt_key
from swapline_producer.storage.receipts import receipt_of, stored_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract import Job, JobSpec, StoredImage, StoredPicture
    from swapline_producer.storage import Storage
    from swapline_workers.core.picture_memory import Picture

JSON = "application/json"


class PictureStore:
    """The port `Pictures` over any storage."""

    def __init__(self, storage: Storage, *, url_life: float = LONGEST_URL_LIFE) -> None:
        """A result's URL works for `url_life` seconds."""
        self._storage = storage
        self._url_life = url_life

    def input_text(self, spec: JobSpec) -> str:
        """See `Pictures.input_text`. Raises ObjectMissing where it is gone or changed."""
        image = spec.image
        return image.url if isinstance(image, LinkedImage) else self.encoded(image)

    def encoded(self, image: StoredImage) -> str:
        """Return a stored input as base64. Raises ObjectMissing, StorageUnavailable."""
        data = self._storage.get(image.key)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise ObjectMissing(f"{image.key} no longer holds the picture that was stored there; enqueue it again.")
        return pybase64.b64encode_as_string(data)

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Write pictures, and `receipt.json` last: the commit. Raises StorageUnavailable."""
        for picture in pictures:
            for key, data in picture.files:
                self._storage.put(key, data, media_type_of(key))
        self._storage.put(receipt_key(job), receipt_of(job, [picture.known for picture in pictures]), JSON)

    def stored(self, job: Job) -> tuple[StoredPicture, ...]:
        """See `Pictures.stored`."""
        return stored_pictures(self._storage, job)

    def url(self, key: str) -> str:
        """Return a URL for receivers. Raises StorageUnavailable."""
        return self._storage.url(key, self._url_life)
