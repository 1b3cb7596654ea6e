"""The bounded values of a request."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

from swapline_producer.contract.requests.variants import MOST_VARIANTS, Variant

if TYPE_CHECKING:
    from pydantic import HttpUrl, TypeAdapter

URL_LIMIT = 2083
"""Characters that the oldest browsers and proxies take."""

METADATA_LIMIT = 8192
"""Bytes as JSON: every webhook has it, and stays under 20 kB."""

EXTRA_LIMIT = 65_536
"""Bytes as JSON: they lie in Redis, where no picture belongs."""

LARGEST_FILTER_ID = 2**53 - 1
"""The largest integer that every reader of JSON has exactly (RFC 7493, 2.2)."""

TEN_YEARS = 315_360_000.0
"""Seconds: unbounded it overflows Redis's milliseconds."""

MOST_CREDITS = 10**12
"""A day's cap; exact in Lua up to 2**53."""

DEFAULT_ACCOUNT = "default"
"""The account where settings name none."""

VENDOR_ID_LIMIT = 256
"""Characters: a UUID or the like, part of a URL."""

_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


@cache
def http_url() -> TypeAdapter[HttpUrl]:
    """Return the reader of URLs, built on use (20 ms)."""
    from pydantic import HttpUrl, TypeAdapter  # noqa: PLC0415 -- see above

    return TypeAdapter(HttpUrl)


def _is_http_url(value: str) -> str:
    url = http_url().validate_python(value)
    if url.username or url.password:
        raise PydanticCustomError("url_userinfo", "a URL must not carry a user name or password")
    return value


def _is_one_line(value: str) -> str:
    if _CONTROLS.search(value):
        raise PydanticCustomError("control_character", "it must be one line without control characters")
    return value


def no_bool(value: object) -> object:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("bool", "it must be no boolean")
    return value


def _json_size(value: object) -> int:
    """Bytes of a value as JSON one level deeper, as ledger and vendor get it."""
    try:
        text = orjson.dumps([value])
        same = orjson.loads(text) == [value]  # for infinity and NaN, null would be written
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise PydanticCustomError("no_json", "it must be JSON: whole Unicode, finite numbers, integers of 64 bits")
    return len(text) - 2


def _fits_webhook(value: dict[str, str]) -> dict[str, str]:
    if value and _json_size(value) > METADATA_LIMIT:
        raise PydanticCustomError("metadata_size", f"it is limited to {METADATA_LIMIT} bytes of JSON")
    return value


def _fits_ledger(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if value and _json_size(value) > EXTRA_LIMIT:
        raise PydanticCustomError("extra_size", f"it is limited to {EXTRA_LIMIT} bytes of JSON")
    return value


def vendor_id_problem(text: str) -> str | None:
    """Say why a text cannot be the vendor's id, or None."""
    if not text.strip():
        return "it is empty"
    if len(text) > VENDOR_ID_LIMIT:
        return f"it is longer than {VENDOR_ID_LIMIT} characters"
    if not text.isprintable():
        return "it has characters that cannot be printed"
    if text in {".", ".."}:
        return "it would be taken out of the URL that asks for it"
    return None


def _is_variant(text: str) -> str:
    try:
        Variant.parse(text)
    except ValueError as error:
        raise PydanticCustomError("variant", str(error)) from None
    return text


def _split(value: object) -> object:
    return tuple(part for part in re.split(r"[,\s]+", value) if part) if isinstance(value, str) else value


def _no_name_twice(texts: tuple[str, ...]) -> tuple[str, ...]:
    names = [text.partition(":")[0] for text in texts]
    if len(set(names)) < len(names):
        raise PydanticCustomError("variant", "no two variants may have the same name")
    return texts


AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
BatchName = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_is_one_line)]
IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_is_one_line)]
WebUrl = Annotated[str, StringConstraints(max_length=URL_LIMIT), AfterValidator(_is_http_url)]
FilterId = Annotated[StrictInt, Field(ge=0, le=LARGEST_FILTER_ID)] | UUID
Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS), BeforeValidator(no_bool)]
Metadata = Annotated[dict[str, str], AfterValidator(_fits_webhook)]
Extra = Annotated[dict[str, JsonValue], AfterValidator(_fits_ledger)]
VariantText = Annotated[str, AfterValidator(_is_variant)]
VariantTexts = Annotated[
    tuple[VariantText, ...], Field(max_length=MOST_VARIANTS), AfterValidator(_no_name_twice), BeforeValidator(_split)
]
"""A tuple, or one text with commas or spaces between."""
