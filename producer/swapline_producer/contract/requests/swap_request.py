"""A request, checked by the rules of the vendor's page before a credit is spent."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import ApiVersion, FailureCode, Gender, Prepare, Priority, QualityMode, Ratio
from swapline_producer.contract.trace_ids import shortened
from swapline_producer.contract.values import (
    TEN_YEARS,
    AccountName,
    BatchName,
    Extra,
    FilterId,
    IdempotencyKey,
    Metadata,
    Seconds,
    Tenant,
    VariantTexts,
    WebUrl,
    no_bool,
)
from swapline_producer.errors import RequestError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

CODE_OF_FIELD = {
    "image": FailureCode.INVALID_IMAGE,
    "filter_id": FailureCode.FILTER_NOT_FOUND,
    "quality_mode": FailureCode.INVALID_QUALITY_MODE,
}
"""The vendor's code for a bad value of this field."""

_SECONDS = f"it must be seconds, more than 0 and at most {TEN_YEARS:,.0f} (ten years)"

SENTENCES = {
    "image": "it must be a pathlib.Path, bytes, a data URI, base64 or a public URL",
    "gender": "it must be 0 to 4, or male, female, boy, girl or group",
    "traceparent": "it is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, as in W3C's header",
    "filter_id": "it must be an integer from the vendor's catalog, or a UUID",
    "tenant": "it must be 1 to 64 letters, digits, dots, dashes or underscores, a letter or a digit first",
    "account": "it must be the name or the label of an account: 1 to 64 letters, digits, dots, dashes or underscores",
    "queue_ttl": _SECONDS,
    "variants": "8 at most, each NAME.jpg or NAME.webp, then :SIDE, :QUALITY and :WIDTH/HEIGHT, no name twice",
    "run_timeout": _SECONDS,
}
"""For fields where each of several types would complain."""

MOST_COMPLAINTS = 5
"""Problems named in one sentence."""

LONGEST_NAME = 40
"""Characters of an unknown field's name, in a sentence."""


class SwapOptions(Frozen):
    """A face swap without its picture. The first five fields are the vendor's."""

    gender: Annotated[Gender, BeforeValidator(no_bool)]
    filter_id: FilterId
    ratio: Ratio | None = None
    quality_mode: QualityMode | None = None
    api_version: ApiVersion = ApiVersion.V6
    extra: Extra = Field(default_factory=dict)
    """For v5 only; its parameters are not on the page."""
    webhook_url: WebUrl | None = None
    metadata: Metadata = Field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    tenant: Tenant = "default"
    account: AccountName | None = None
    """The vendor's account that the job must run on, or a label of such accounts; any, or its tenant's, when absent."""
    batch: BatchName | None = None
    idempotency_key: IdempotencyKey | None = None
    queue_ttl: Seconds | None = None
    """Seconds to wait for a slot; default SWAPLINE_QUEUE_TTL."""
    run_timeout: Seconds | None = None
    """Seconds for the vendor; default SWAPLINE_RUN_TIMEOUT."""
    variants: VariantTexts | None = None
    """As `thumb.jpg:320`; default SWAPLINE_VARIANTS."""

    @property
    def expected_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the result."""
        return (self.ratio or Ratio.PORTRAIT).size

    @model_validator(mode="after")
    def _refuse_what_the_vendor_would_refuse(self) -> Self:
        by_uuid = isinstance(self.filter_id, UUID)
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
            )
        reserved = sorted(self.extra.keys() & {"base64", "gender", "filter_id", "ratio", "quality_mode"})
        if reserved:
            raise RequestError(
                f"extra: give {', '.join(reserved)} as a field of its own",
                field="extra",
            )
        return self


class SwapRequest(SwapOptions):
    """What a producer asks for.

    `image` is a pathlib.Path, the bytes of a JPEG, PNG or WebP, a data URI, base64, or a public http(s) URL (which the
    vendor fetches). A str is never opened as a file.
    """

    image: Annotated[StrictStr | bytes | Path, Field(union_mode="left_to_right")]
    """Tried in this order: elsewhere JSON's texts would become paths."""
    prepare: Prepare | None = None
    """Whether to convert the picture; default SWAPLINE_PREPARE."""
    require_face: bool | None = None
    """Refuse a picture without a face; default SWAPLINE_REQUIRE_FACE."""
    replace_failed: bool = False
    """Where the idempotency key's job ended without success, make a new one, which takes the key over.

    The new request may differ. Without this, the failed job is returned.
    """
    traceparent: str | None = None
    """The job's trace, as in W3C's header; default: OpenTelemetry's current span, else its own."""

    @field_validator("traceparent")
    @classmethod
    def _one_trace(cls, value: str | None) -> str | None:
        if value is not None:
            shortened(value)
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _one_kind_of_error(cls, values: object, build: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise RequestError, naming the field and the vendor's code."""
        try:
            return build(values)
        except ValidationError as error:
            wrong = {_field(one): _problem(one) for one in error.errors(include_url=False, include_input=False)}
            first = next(iter(wrong))
            sentences = [f"{field}: {problem}" for field, problem in wrong.items()][:MOST_COMPLAINTS]
            raise RequestError("; ".join(sentences), field=first, code=CODE_OF_FIELD.get(first)) from None


def checked(field: str, value: object) -> Any:
    """Check one value as the field of a request. Raises RequestError."""
    try:
        return _adapter(field).validate_python(value)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        raise RequestError(f"{field}: {SENTENCES.get(field) or _problem(first)}", field=field) from None


_FIELDS: dict[str, Any] = {"batch": BatchName, "tenant": Tenant, "webhook_url": WebUrl}


@cache
def _adapter(field: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- few processes check a field alone

    return TypeAdapter(_FIELDS[field])


def _field(error: ErrorDetails) -> str:
    """An unknown field is foreign text: cut and quoted."""
    name = str(error["loc"][0])[:LONGEST_NAME] if error["loc"] else "request"
    return name if name.isidentifier() else repr(name)


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "string_unicode":
        return "it must be whole Unicode, without halves of a surrogate pair"
    return SENTENCES.get(_field(error), error["msg"])
