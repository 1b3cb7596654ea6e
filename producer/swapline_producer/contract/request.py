"""What a producer asks for, checked by the rules of the vendor's page before a credit is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    JsonValue,
    ModelWrapValidatorHandler,
    StrictInt,
    StrictStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.trace import kept
from swapline_producer.contract.words import ApiVersion, FailureCode, Gender, Priority, QualityMode, Ratio
from swapline_producer.errors import RequestError

Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_HTTP_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


def _is_http_url(value: str) -> str:
    url = _HTTP_URL.validate_python(value)
    if url.username or url.password:
        raise PydanticCustomError("url_userinfo", "a URL must not carry a user name or password")
    return value


WebUrl = Annotated[str, StringConstraints(max_length=2083), AfterValidator(_is_http_url)]


METADATA_LIMIT = 8192
"""Bytes of metadata as JSON: it travels in every webhook, which stays under 20 kB."""

CODE_OF_FIELD = {
    "image": FailureCode.INVALID_IMAGE,
    "gender": FailureCode.VENDOR_REJECTED,
    "filter_id": FailureCode.FILTER_NOT_FOUND,
    "ratio": FailureCode.VENDOR_REJECTED,
    "quality_mode": FailureCode.INVALID_QUALITY_MODE,
}
"""The code under which the vendor would refuse a value of this field that is not on its page."""

SENTENCES = {
    "image": "it must be a pathlib.Path, bytes, a data URI, base64 or a public URL",
    "traceparent": "it is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, as in W3C's header",
    "filter_id": "it must be an integer from the vendor's catalog, or a UUID",
}
"""What to say of a field whose own complaint would be long: each of several types complains for itself."""


class SwapOptions(Frozen):
    """Everything about a face swap but the picture. The vendor's page is the source of the first five fields."""

    gender: Gender
    filter_id: StrictInt | UUID
    ratio: Ratio | None = None
    quality_mode: QualityMode | None = None
    api_version: ApiVersion = ApiVersion.V6
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the vendor's body, for v5 only (its parameters are not on the page)."""
    webhook_url: WebUrl | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    tenant: Tenant = "default"
    batch: str | None = Field(default=None, max_length=128)
    idempotency_key: IdempotencyKey | None = None
    queue_ttl: float | None = Field(default=None, gt=0)
    """Seconds that the job may wait for a slot; the setting SWAPLINE_QUEUE_TTL when absent."""
    run_timeout: float | None = Field(default=None, gt=0)
    """Seconds that the vendor may take; the setting SWAPLINE_RUN_TIMEOUT when absent."""

    @property
    def expected_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the result, portrait being the vendor's default."""
        return (self.ratio or Ratio.PORTRAIT).size

    @model_validator(mode="after")
    def _refuse_what_the_vendor_would_refuse(self) -> Self:
        """Refuse combinations of the vendor's page before a credit is spent, under the vendor's own code."""
        by_uuid = isinstance(self.filter_id, UUID)
        if isinstance(self.filter_id, int) and self.filter_id < 0:
            raise RequestError(
                "filter_id: an integer filter id is not negative; take one from the catalog",
                field="filter_id",
                code=FailureCode.FILTER_NOT_FOUND,
            )
        if by_uuid and self.gender is Gender.GROUP:
            raise RequestError(
                "filter_id: group mode (gender 4) works with integer filter ids only; take one from the catalog",
                field="filter_id",
                code=FailureCode.FILTER_BLOCKED,
            )
        if by_uuid and self.quality_mode is not None:
            raise RequestError(
                "quality_mode: it applies to integer filter ids only; leave it out for a UUID filter",
                field="quality_mode",
                code=FailureCode.INVALID_QUALITY_MODE,
            )
        if self.extra and self.api_version is not ApiVersion.V5:
            raise RequestError(
                "extra: extra fields are for api_version v5 only; leave them out",
                field="extra",
                code=FailureCode.VENDOR_REJECTED,
            )
        reserved = sorted(self.extra.keys() & {"base64", "gender", "filter_id", "ratio", "quality_mode"})
        if reserved:
            raise RequestError(
                f"extra: give {', '.join(reserved)} as a field of its own",
                field="extra",
                code=FailureCode.VENDOR_REJECTED,
            )
        if len(json.dumps(self.metadata)) > METADATA_LIMIT:
            raise RequestError(f"metadata: it is limited to {METADATA_LIMIT} bytes of JSON", field="metadata")
        return self


class SwapRequest(SwapOptions):
    """What a producer asks for.

    `image` is a pathlib.Path, the bytes of a JPEG, PNG or WebP, a data URI, bare base64, or a public http(s) URL
    (which the vendor fetches itself). A str is never opened as a file.
    """

    image: Annotated[StrictStr | bytes | Path, Field(union_mode="left_to_right")]
    """Tried in this order: elsewhere JSON's texts would become paths."""
    replace_failed: bool = False
    """Where the idempotency key belongs to a job that ended without success: make a new job, which takes the key over.

    The new request may differ from the failed one. Without this, the failed job is given again."""
    traceparent: str | None = None
    """The trace that the job belongs to, as in W3C's header. Without it: OpenTelemetry's current span, where there is
    one in this process, or a trace of the job's own. The same request in another trace is still the same request."""

    @field_validator("traceparent")
    @classmethod
    def _one_trace(cls, value: str | None) -> str | None:
        if value is not None:
            kept(value)
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _one_kind_of_error(cls, values: object, build: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise RequestError for whatever is wrong, naming the field and the vendor's code."""
        try:
            return build(values)
        except ValidationError as error:
            wrong = {
                str(one["loc"][0]) if one["loc"] else "request": one["msg"] for one in error.errors(include_url=False)
            }
            sentence = "; ".join(f"{field}: {SENTENCES.get(field, said)}" for field, said in wrong.items())
            first = next(iter(wrong))
            raise RequestError(sentence, field=first, code=CODE_OF_FIELD.get(first)) from None
