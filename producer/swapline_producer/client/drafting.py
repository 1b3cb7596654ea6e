"""Make jobs of requests."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from swapline_producer.client.inputs.acceptance import Draft, Input
from swapline_producer.client.inputs.images import Link, is_link, read_image
from swapline_producer.client.trace_context import current_traceparent
from swapline_producer.contract import Gender, ImageRef, LinkedImage, NewJob, StoredImage, SwapRequest
from swapline_producer.contract.requests.new_jobs import fingerprint
from swapline_producer.contract.trace_ids import shortened
from swapline_producer.errors import RequestError
from swapline_producer.pictures.faces import check_faces, check_link_examined
from swapline_producer.pictures.prepare import Preparation
from swapline_producer.webhooks.addresses import check_webhook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.client.inputs.acceptance import Acceptance
    from swapline_producer.settings import ProducerSettings

_NOT_IN_SPEC = {"image", "prepare", "require_face", "replace_failed", "traceparent"}


class Drafting:
    """Makes drafts by the settings. Thread-safe."""

    def __init__(self, settings: ProducerSettings, acceptance: Acceptance) -> None:
        """Store pictures through `acceptance`."""
        self._settings = settings
        self._acceptance = acceptance

    def checked_draft(self, item: SwapRequest | Mapping[str, Any]) -> Draft:
        """Make a job of a request, or of its fields. Raises as `draft`."""
        if isinstance(item, SwapRequest):
            return self.draft(item)
        try:
            fields = dict(item)
        except (TypeError, ValueError):
            raise RequestError(f"a {type(item).__name__} is no request: give a SwapRequest", field="request") from None
        return self.draft(SwapRequest.model_validate(fields))

    def draft(self, request: SwapRequest) -> Draft:
        """Check a request again, make a job of it, and store its picture.

        Raises RequestError, StorageError.
        """
        request = request.model_validate(dict(request))  # `model_copy` and `model_construct` check nothing
        check_webhook(request.webhook_url, allow_private=self._settings.webhook_allow_private)
        job_id = new_job_id()
        spec = request.model_dump(mode="json", exclude_none=True, exclude=_NOT_IN_SPEC)
        image, picture = self._image(request)
        spec["image"] = image.model_dump(mode="json", exclude_none=True)
        if traceparent := request.traceparent or current_traceparent():
            spec["trace"] = shortened(traceparent)
        job = NewJob(
            job_id,
            spec,
            fingerprint(spec),
            request.queue_ttl or self._settings.queue_ttl,
            request.run_timeout or self._settings.run_timeout,
            request.replace_failed,
        )
        if picture is not None:
            job = job._replace(stored_after=self._acceptance.store(picture, job_id))
        return Draft(job, picture)

    def _image(self, request: SwapRequest) -> tuple[ImageRef, Input | None]:
        found = read_image(request.image, Preparation.of(self._settings, request.prepare))
        if isinstance(found, Link):
            check_link_examined(required=request.require_face)
            return LinkedImage(url=found.url), None
        wanted = self._settings.require_face if request.require_face is None else request.require_face
        group = request.gender is Gender.GROUP
        image = StoredImage(
            sha256=found.sha256,
            media_type=found.media_type,
            width=found.width,
            height=found.height,
            size=len(found.data),
            prepared=found.made_of,
            warnings=check_faces(found.data, found.media_type, group=group) if wanted else (),
        )
        return image, Input(image, found.data)


def is_quick(item: SwapRequest | Mapping[str, Any]) -> bool:
    """Whether a request has a link and no picture to store."""
    image = item.image if isinstance(item, SwapRequest) else item.get("image") if isinstance(item, dict) else None
    return isinstance(image, str) and is_link(image)


def new_job_id() -> str:
    """Return 32 hex digits: 48 bits of time, so that ids sort by age, then 80 random ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
